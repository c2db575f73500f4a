"""What a wrong stack file gets: every problem at once, before anything is created."""

from pathlib import Path
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from recording import Deploy

from components import clusters, gateways
from stack import config, problems
from stack.hardware import targets
from stack.plan import Front, Plan
from stack.planner import plan
from stack.problems import StackError
from stack.releases import releases

MODEL: dict[str, Any] = {"name": "Qwen/Qwen3-0.6B"}
STACK: dict[str, Any] = {
    "cluster": {"kind": "embedded"},
    "hardware": "simulated",
    "models": [MODEL],
}

SHAPE = config.stack_with((kind.settings for kind in clusters.kinds().values()), gateways.kinds())


def planned(secrets: frozenset[str] = frozenset(), **changes: object) -> Plan:
    return plan(
        SHAPE.model_validate(STACK | changes),
        name="test",
        secrets=secrets,
        clusters=clusters.kinds(),
        gateways=gateways.kinds(),
    )


def told(secrets: frozenset[str] = frozenset(), **changes: object) -> tuple[str, ...]:
    """The problems of a stack that differs from a good one by `changes`."""
    with pytest.raises((StackError, ValidationError)) as caught:
        planned(secrets, **changes)
    if isinstance(caught.value, ValidationError):
        return tuple(problems.of_shape(caught.value, config.keys(SHAPE)))
    return caught.value.problems


def front_of(plan: Plan) -> Front:
    """Of a stack that has Envoys of its own."""
    assert isinstance(plan.entrance, Front)
    return plan.entrance


def refused(deploy: Deploy, changes: dict[str, Any]) -> list[str]:
    """The same through the whole program: the lines of its one error."""
    with pytest.raises(pulumi.RunError) as caught:
        deploy("embedded", config=changes)
    title, *lines = str(caught.value).splitlines()
    assert title == "Pulumi.embedded.yaml:"
    return [line.removeprefix("  - ") for line in lines]


def test_a_good_stack_is_planned() -> None:
    assert planned().models[0].pool.name == "gaie-inference-scheduling"


def test_every_problem_is_told_at_once() -> None:
    release, hardware, gateway, replicas = told(
        release="v0.3",
        hardware="simulatd",
        gateway={"provider": "standalon"},
        models=[MODEL | {"replicas": 0}],
    )

    assert release.startswith("`release` is `v0.3`, expected one of ")
    assert hardware.endswith("did you mean `simulated`?")
    assert gateway == (
        "`gateway.provider` is `standalon`, expected one of "
        f"{', '.join(sorted(gateways.kinds()))}; did you mean `standalone`?"
    )
    assert replicas == "`models[0].replicas` is `0`, expected greater than or equal to 1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"llm-d:clutser": "{}"},
            (
                "`clutser` is not a known key, expected cluster, gateway, hardware, models, "
                "monitoring, names, release; did you mean `cluster`?"
            ),
        ),
        (
            {"llm-d:cluster": {"kind": "embeded"}},
            (
                "`cluster.kind` is `embeded`, expected one of embedded, existing, gke, kind, "
                "minikube, openshift; did you mean `embedded`?"
            ),
        ),
        ({"llm-d:cluster": {}}, "`cluster.kind` is missing: the stack file has to say it"),
        (
            {"llm-d:cluster": {"kind": "embedded", "prot": 6443}},
            ("`cluster.prot` is not a known key, expected kind, nodes, port; did you mean `port`?"),
        ),
        (
            {"llm-d:cluster": {"kind": "kind", "nodeImage": "kindest/node:latest"}},
            (
                "`cluster.nodeImage` is not a known key, expected adopt, driver, image, kind, "
                "machine, name, nodes, ports, retain"
            ),
        ),
        (
            {"llm-d:cluster": {"kind": "embedded", "port": 80}},
            "`cluster.port` is `80`, expected greater than or equal to 1024",
        ),
        (
            {"llm-d:models": [{"name": "a/b", "replica": 2}]},
            (
                "`models[0].replica` is not a known key, expected adapters, aliases, args, claim, "
                "dataParallel, dtype, env, gated, id, image, kvCache, kvCacheDtype, maxModelLen, "
                "name, nodes, objectives, pods, prefill, quantization, replicas, resources, "
                "scheduler, shape, sizing, source, storage, tensorParallel; did you mean "
                "`replicas`?"
            ),
        ),
        (
            {"llm-d:models": [{"name": "a/b", "replicas": 0}]},
            "`models[0].replicas` is `0`, expected greater than or equal to 1",
        ),
        (
            {"llm-d:models": [{"name": "a/b", "replicas": "two"}]},
            "`models[0].replicas` is `two`, expected a valid integer",
        ),
        (
            {"llm-d:models": [{"name": "a/b", "storage": "20 GB"}]},
            "`models[0].storage` is `20 GB`, expected match pattern",
        ),
        ({"llm-d:models": []}, "`models` is `[]`, expected"),
        ({"llm-d:models": None}, "`models` is missing: the stack file has to say it"),
        (
            {"llm-d:gateway": {"crds": {"gatewayApi": "adpot"}}},
            "`gateway.crds.gatewayApi` is `adpot`, expected one of adopt; did you mean `adopt`?",
        ),
    ],
)
def test_a_wrong_shape_is_told_by_path_value_and_what_was_expected(
    changes: dict[str, Any], message: str, deploy: Deploy
) -> None:
    [line] = refused(deploy, changes)

    assert line.startswith(message)


def test_hardware_without_a_second_device_does_not_split_a_model() -> None:
    [problem] = told(hardware="cpu", models=[MODEL | {"tensorParallel": 2}])

    assert problem == (
        "`models[0].tensorParallel` is `2`, expected 1 on hardware `cpu`: "
        "a CPU pod has no second device to split the model over"
    )


def test_a_replica_is_not_split_over_more_devices_than_a_node_has() -> None:
    [problem] = told(hardware="cuda", models=[MODEL | {"tensorParallel": 16}])

    assert problem == (
        "`models[0].tensorParallel` is `16`, expected at most 8, the `nvidia.com/gpu` of one node, "
        "or more `nodes` for each replica"
    )


def test_more_than_the_nodes_have_is_refused_before_pods_stay_pending() -> None:
    [problem] = told(hardware="cuda", models=[MODEL | {"replicas": 9, "tensorParallel": 2}])

    assert problem.startswith("`models[0].replicas` is `9`, expected fewer")
    assert "nvidia.com/gpu 2" in problem
    assert "2 node(s)" in problem


def test_the_endpoint_picker_needs_room_too() -> None:
    [problem] = told(cluster={"kind": "embedded", "nodes": {"cpu": "200m", "memory": "1Gi"}})

    assert problem == (
        "`cluster.nodes` is `1 with cpu 0.2, memory 1Gi`, expected room for cpu 0.25, "
        "memory 512Mi more, which the endpoint picker of models[0] asks for"
    )


def test_what_just_fits_is_planned() -> None:
    assert planned(hardware="cuda", models=[MODEL | {"replicas": 8, "tensorParallel": 2}])


def test_requests_over_the_limit_are_refused() -> None:
    [problem] = told(models=[MODEL | {"resources": {"requests": {"memory": "2Gi"}}}])

    assert problem == (
        "`models[0].resources.requests.memory` is `2Gi`, expected at most the limit, 512Mi"
    )


def test_two_models_of_one_name_are_refused() -> None:
    [problem] = told(models=[MODEL, MODEL | {"id": "second"}])

    assert problem.startswith("`models[1].name` is `Qwen/Qwen3-0.6B`, expected a name that")


def test_two_models_whose_objects_would_share_names_are_refused() -> None:
    [problem] = told(models=[MODEL, {"name": "Qwen/Qwen3-8B"}])

    assert problem.startswith("`models[1].id` is `null`, expected another id")


def test_more_models_than_one_proxy_can_be_told_of_are_refused() -> None:
    [problem] = told(models=[{"name": f"someone/{one}", "id": f"m{one}"} for one in range(150)])

    assert problem.startswith("`models` is `150 of them`, expected fewer, and another stack for ")
    assert problem.endswith("bytes, and a ConfigMap holds 1048576")


def test_a_gated_model_needs_a_token() -> None:
    gated = [{"name": "meta-llama/Llama-3.2-3B-Instruct"}]

    [problem] = told(hardware="cpu", models=gated)

    assert "pulumi config set --secret llm-d:hfToken" in problem
    assert planned(frozenset({"hfToken"}), hardware="cpu", models=gated)


def test_a_model_said_to_be_open_needs_none() -> None:
    assert planned(hardware="cpu", models=[{"name": "google/t5-small", "gated": False}])


@pytest.mark.parametrize("image", ["ghcr.io/a/b", "ghcr.io/a/b:latest", "host:5000/a/b"])
def test_an_image_that_can_change_under_its_name_is_refused(image: str) -> None:
    [problem] = told(models=[MODEL | {"image": image}])

    assert problem.startswith(f"`models[0].image` is `{image}`, expected a tag that does not move")


@pytest.mark.parametrize("image", ["host:5000/a/b:v1", f"a/b@sha256:{'0' * 64}"])
def test_an_image_that_stays_what_it_is_is_planned(image: str) -> None:
    assert planned(models=[MODEL | {"image": image}]).models[0].service.image == image


@given(
    postfix=st.from_regex(r"[a-z]([-a-z0-9]{0,60}[a-z0-9])?", fullmatch=True),
    model_id=st.none() | st.from_regex(r"[a-z]([-a-z0-9]{0,60}[a-z0-9])?", fullmatch=True),
)
def test_names_fit_kubernetes_or_are_refused_with_the_part_to_shorten(
    postfix: str, model_id: str | None
) -> None:
    try:
        made = planned(names={"postfix": postfix}, models=[MODEL | {"id": model_id}])
    except StackError as error:
        [problem] = error.problems
        path = "models[0].id" if model_id else "names.postfix"
        assert problem.startswith(f"`{path}` is `")
        assert problem.endswith(("a Kubernetes name has at most 63", "a pool has at most 40"))
    else:
        [model] = made.models
        for name in (model.pool.picker, made.entrance.name, model.service.decode.workload):
            assert len(name) <= 63
        assert len(model.pool.name) <= 40


def kubeconfig(path: Path, *contexts: str) -> str:
    listed = "".join(f"- name: {name}\n  context: {{cluster: c, user: u}}\n" for name in contexts)
    path.write_text(f"apiVersion: v1\nkind: Config\ncurrent-context: other\ncontexts:\n{listed}")
    return str(path)


def test_a_context_that_the_kubeconfig_lacks_is_refused(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config", "kind-llmd", "other")

    [problem] = told(
        cluster={"kind": "existing", "context": "kind-llm-d", "kubeconfig": file},
    )

    assert problem == (
        "`cluster.context` is `kind-llm-d`, expected one of kind-llmd, other; "
        "did you mean `kind-llmd`?"
    )


def test_a_preview_needs_no_kubeconfig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)

    assert planned(cluster={"kind": "existing", "context": "c"})


def test_an_update_without_a_kubeconfig_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: False)

    [problem] = told(cluster={"kind": "existing", "context": "c"})

    assert "set KUBECONFIG or `cluster.kubeconfig`" in problem


def test_a_kubeconfig_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("{not yaml")

    [problem] = told(
        cluster={"kind": "existing", "context": "c", "kubeconfig": str(tmp_path / "config")}
    )

    assert problem.startswith("`cluster.kubeconfig` is `")


@given(st.text(max_size=40))
def test_no_value_of_a_stack_file_ever_breaks_the_message_about_it(value: str) -> None:
    for path in ("release", "hardware"):
        if value not in {*releases(), *targets()}:
            [problem] = told(frozenset(), **{path: value})
            assert problem.startswith(f"`{path}` is `")


def test_a_long_value_is_cut_in_the_message() -> None:
    assert len(problems.wrong("hardware", "x" * 500, "one of cpu")) < 150
