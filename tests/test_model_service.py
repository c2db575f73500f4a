"""Roles, files, replicas over machines, and what else a stack file says of a model's pods."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from test_bad_input import MODEL, planned, told

from components import inference_pool, model_files, model_pods, model_service
from components.image_build import Images
from stack import sources
from stack.plan import Model, Role, Service

ROLES: dict[str, Any] = {
    "tensorParallel": 2,
    "replicas": 3,
    "resources": {"limits": {"memory": "64Gi"}, "requests": {"memory": "64Gi"}},
    "prefill": {
        "replicas": 2,
        "tensorParallel": 1,
        "args": ["--max-num-seqs=8"],
        "resources": {"limits": {"memory": "32Gi"}, "requests": {"memory": "32Gi"}},
    },
}


def served(hardware: str = "cuda", release: str = "v0.5", **said: Any) -> Model:
    return planned(hardware=hardware, release=release, models=[MODEL | said]).models[0]


def wrong(hardware: str = "cuda", **said: Any) -> tuple[str, ...]:
    return told(hardware=hardware, models=[MODEL | said])


def pod(service: Service, role: Role) -> dict[str, Any]:
    template: Any = model_pods.leader(service, role)
    return template["spec"]


def prefill(service: Service) -> Role:
    assert service.prefill
    return service.prefill


def env(container: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one.get("value") or one["value_from"] for one in container["env"]}


# Prefill and decode


def test_each_role_has_its_own_replicas_devices_memory_and_arguments() -> None:
    service = served(**ROLES).service
    first, second = service.decode, prefill(service)

    assert (first.replicas, second.replicas) == (3, 2)
    assert (first.limits["nvidia.com/gpu"], second.limits["nvidia.com/gpu"]) == ("2", "1")
    assert (first.limits["memory"], second.limits["memory"]) == ("64Gi", "32Gi")
    assert "--max-num-seqs=8" in second.args
    assert "--max-num-seqs=8" not in first.args


def test_the_pool_has_pods_of_both_roles_and_filters_tell_them_apart() -> None:
    model = served(**ROLES)
    roles = (model.service.decode, prefill(model.service))

    assert [one.labels["llm-d.ai/role"] for one in roles] == ["decode", "prefill"]
    for one in roles:
        assert model.pool.selects.items() <= one.labels.items()
    filters = [one["type"] for one in yaml.safe_load(model.pool.picker_config)["plugins"]]
    assert {"prefill-filter", "decode-filter"} <= {*filters}


def test_who_answers_has_a_proxy_before_it_and_who_reads_has_none() -> None:
    service = served(**ROLES).service
    answers, reads = pod(service, service.decode), pod(service, prefill(service))
    [proxy], [server] = answers["init_containers"], answers["containers"]

    assert proxy["restart_policy"] == "Always"
    assert [one["container_port"] for one in proxy["ports"]] == [8000]
    assert [one["container_port"] for one in server["ports"]] == [8200]
    assert {"--port=8000", "--vllm-port=8200", "--secure-proxy=false"} == {*proxy["args"]}
    assert "--port=8200" in server["args"]
    assert "init_containers" not in reads
    assert "--port=8000" in reads["containers"][0]["args"]


def test_both_roles_can_hand_caches_over() -> None:
    service = served(**ROLES).service
    for role in service.roles:
        [server] = pod(service, role)["containers"]
        [said] = [one for one in server["args"] if one.startswith("--kv-transfer-config=")]

        assert json.loads(said.partition("=")[2])["kv_connector"] == "NixlConnector"
        assert env(server)["VLLM_NIXL_SIDE_CHANNEL_HOST"]["field_ref"] == {
            "field_path": "status.podIP"
        }


def test_requests_that_miss_the_endpoint_picker_meet_no_pod_that_only_reads() -> None:
    service: Any = model_service.pods(served(**ROLES).service)

    assert service["selector"]["llm-d.ai/role"] == "decode"


# Over machines


def test_a_replica_over_machines_is_a_group_that_starts_and_fails_together() -> None:
    service = served(nodes=2, tensorParallel=16).service
    group = model_service.groups(service, service.decode, Images())

    assert group["replicas"] == 1
    assert group["leaderWorkerTemplate"]["size"] == 2
    assert group["leaderWorkerTemplate"]["restartPolicy"] == "RecreateGroupOnPodRestart"
    assert service.decode.limits["nvidia.com/gpu"] == "8"
    assert {"--nnodes=2", "--node-rank=$(LWS_WORKER_INDEX)"} <= {*service.decode.args}


def test_no_request_is_sent_to_a_worker() -> None:
    model = served(nodes=2, tensorParallel=16)
    worker: Any = model_pods.worker(model.service, model.service.decode)
    [server] = worker["spec"]["containers"]

    assert not model.pool.selects.items() <= worker["metadata"]["labels"].items()
    assert server["args"][-1] == "--headless"
    assert not {"ports", "readiness_probe", "liveness_probe", "startup_probe"} & server.keys()


@pytest.mark.parametrize(
    ("said", "definitions", "charts"),
    [(None, {"leaderWorkerSet": True}, []), (True, {}, ["lws"]), (False, {}, [])],
)
def test_leader_worker_set_is_the_owners_or_installed_with_its_controller(
    said: bool | None,  # noqa: FBT001 - as a stack file says it
    definitions: dict[str, bool],
    charts: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    monkeypatch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")
    made = planned(
        hardware="cuda",
        cluster={"kind": "existing", "context": "c"},
        gateway={"crds": {"leaderWorkerSet": said}},
        models=[MODEL | {"nodes": 2, "tensorParallel": 16}],
    ).providers

    adopted = {one.name: one.adopt for one in made.crds if one.name == "leaderWorkerSet"}
    assert adopted == definitions
    assert [one.name for one in made.charts] == charts
    for chart in made.charts:
        assert chart.version == "0.7.0"
        assert chart.values["image"]["manager"]["tag"] == "v0.7.0"


def test_on_a_cluster_of_the_stacks_own_the_definition_comes_alone() -> None:
    made = planned(hardware="cuda", models=[MODEL | {"nodes": 2, "tensorParallel": 16}]).providers

    assert {one.name: one.adopt for one in made.crds}["leaderWorkerSet"] is False
    assert made.charts == ()


def test_a_release_whose_servers_cannot_span_machines_says_so() -> None:
    said = told(release="v0.4", hardware="cuda", models=[MODEL | {"nodes": 2, "tensorParallel": 2}])

    assert said == (
        (
            "`models[0].nodes` is `2`, expected 1, or release v0.5 or later: this one's vLLM spans "
            "machines only with Ray"
        ),
    )


# Files


@given(
    st.sampled_from(["hf", "pvc", "pvc+hf"]),
    st.lists(st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True), min_size=3, max_size=6),
)
def test_a_source_says_where_files_are_and_where_they_come_from(
    scheme: str, words: list[str]
) -> None:
    claim, *folders = words
    said = {
        "hf": f"hf://{'/'.join(folders[-2:])}",
        "pvc": f"pvc://{claim}/{'/'.join(folders)}",
        "pvc+hf": f"pvc+hf://{claim}/{'/'.join(folders)}",
    }[scheme]

    found = sources.parse(said)

    assert (found.repository is None) == (scheme == "pvc")
    assert (found.claim is None) == (scheme == "hf")
    if found.repository:
        assert found.repository == "/".join(folders[-2:])
    if scheme == "pvc":
        assert found.folder == "/".join(folders)


def test_a_claim_is_made_and_filled_once_before_any_pod_reads_it() -> None:
    service = served(claim={"size": "50Gi", "storageClass": "fast"}).service
    assert service.files.created
    claim: Any = model_files.claim(service.files.created)
    job: Any = model_files.prefetch(service)["template"]
    [download] = job["spec"]["containers"]
    [server] = pod(service, service.decode)["containers"]

    assert claim["resources"]["requests"]["storage"] == "50Gi"
    assert claim["storage_class_name"] == "fast"
    assert download["command"][:3] == ["hf", "download", MODEL["name"]]
    assert env(download)["HF_HOME"] == env(server)["HF_HOME"]
    assert env(server)["HF_HUB_OFFLINE"] == "1"
    reads, writes = server["volume_mounts"][0], download["volume_mounts"][0]
    assert reads["name"] == writes["name"] == "model-cache"
    assert reads["read_only"] is True
    assert "read_only" not in writes


def test_files_that_are_there_are_downloaded_by_nobody() -> None:
    service = served(source="pvc://models/qwen/small").service

    assert service.files.claim == "models"
    assert service.files.created is None
    assert service.files.downloads == ()
    assert "/model-cache/qwen/small" in service.decode.args


def test_adapters_are_downloaded_with_their_model_and_served_beside_it() -> None:
    adapters = [{"name": "tuned", "source": "hf://someone/tuned", "rank": 20}]
    service = served(claim={"size": "50Gi"}, adapters=adapters).service
    args = service.decode.args

    assert service.files.downloads == (MODEL["name"], "someone/tuned")
    assert {"--enable-lora", "--max-loras=1", "--max-lora-rank=32"} <= {*args}
    module = json.loads(args[args.index("--lora-modules") + 1])
    assert module == {"name": "tuned", "path": "someone/tuned", "base_model_name": MODEL["name"]}


def test_the_token_is_read_from_the_stacks_secret_or_from_one_that_is_there() -> None:
    made = planned(frozenset({"hfToken"}), hardware="cuda")
    there = planned(hardware="cuda", names={"hfTokenSecret": "theirs"})

    assert made.namespace.hf_token_secret == "llm-d-hf-token"  # noqa: S105 - the Secret's name
    assert there.namespace.hf_token_secret is None
    for plan, name in ((made, "llm-d-hf-token"), (there, "theirs")):
        service = plan.models[0].service
        [server] = pod(service, service.decode)["containers"]
        assert env(server)["HF_TOKEN"] == {"secret_key_ref": {"name": name, "key": "HF_TOKEN"}}


# Pods


def test_what_is_said_of_pods_is_said_of_all_of_them() -> None:
    said = {
        "labels": {"team": "search"},
        "annotations": {"cost": "high"},
        "imagePullSecrets": ["registry"],
        "priorityClass": "urgent",
        "schedulerName": "gangs",
        "serviceAccount": "theirs",
    }
    service = served(pods=said, **ROLES).service
    for role in service.roles:
        template: Any = model_pods.leader(service, role)
        spec = template["spec"]

        assert template["metadata"]["labels"]["team"] == "search"
        assert template["metadata"]["annotations"] == {"cost": "high"}
        assert spec["image_pull_secrets"] == [{"name": "registry"}]
        assert spec["priority_class_name"] == "urgent"
        assert spec["scheduler_name"] == "gangs"
        assert spec["service_account_name"] == "theirs"


def test_arguments_and_variables_of_the_stack_file_come_last() -> None:
    service = served(args=["--gpu-memory-utilization=0.8"], env={"VLLM_LOGGING_LEVEL": "DEBUG"})
    [server] = pod(service.service, service.service.decode)["containers"]

    assert [one for one in server["args"] if "utilization" in one] == [
        "--gpu-memory-utilization=0.8"
    ]
    assert env(server)["VLLM_LOGGING_LEVEL"] == "DEBUG"


def test_replicas_are_spread_and_drained_one_by_one() -> None:
    service = served(replicas=3).service
    [spread] = pod(service, service.decode)["topology_spread_constraints"]
    budget: Any = model_service.budget(service.decode, service.decode.max_unavailable or 0)

    assert spread["label_selector"]["match_labels"] == service.decode.labels
    assert budget["max_unavailable"] == 1
    assert served(replicas=1).service.decode.max_unavailable is None


def test_any_user_can_write_what_servers_write() -> None:
    """The root of their file system is read-only: HOME, caches and scratch are volumes."""
    service = served().service
    spec = pod(service, service.decode)
    [server] = spec["containers"]
    mounted = {one["mount_path"]: one["name"] for one in server["volume_mounts"]}
    writable = {one["name"] for one in spec["volumes"] if "empty_dir" in one}
    variables = env(server)

    assert spec["enable_service_links"] is False
    assert {mounted[variables["HOME"]], mounted[variables["HF_HOME"]], mounted["/tmp"]} <= writable  # noqa: S108


@given(st.integers(50, 100_000))
def test_who_downloads_faster_waits_less_and_nobody_longer_than_the_download(mbps: int) -> None:
    nodes = {"count": 1, "cpu": "64", "memory": "512Gi", "devices": 8, "downloadMbps": mbps}
    cluster = {"kind": "embedded", "nodes": nodes}
    [model] = planned(hardware="cuda", cluster=cluster, models=[{"name": "Qwen/Qwen3-32B"}]).models
    probe: Any = model_pods.startup_probe(model.service)
    patience = probe["failure_threshold"] * probe["period_seconds"]

    # 32.8 billion parameters of two bytes.
    assert patience > 32.8e9 * 2 * 8 / (mbps * 1e6)
    assert model.service.deadline_seconds > patience


# Endpoint pickers


def test_of_several_endpoint_pickers_one_picks() -> None:
    model = served(scheduler={"replicas": 2})
    spec: Any = inference_pool.picker(model.pool)
    [picker] = spec["template"]["spec"]["containers"]
    rules: Any = inference_pool.rules(model.pool)
    [leases] = [one for one in rules if "leases" in one.get("resources", ())]

    assert "--ha-enable-leader-election" in picker["args"]
    assert picker["readiness_probe"]["grpc"]["service"] == "readiness"
    assert {"get", "create", "update"} <= {*leases["verbs"]}


@pytest.mark.parametrize("mode", ["FailOpen", "FailClose"])
def test_without_an_endpoint_picker_any_pod_answers_or_none(mode: str) -> None:
    pool = served(scheduler={"failureMode": mode}).pool
    spec: Any = inference_pool.spec(pool)

    assert spec["endpointPickerRef"]["failureMode"] == mode


# What is refused


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (
            {"prefill": {"tensorParallel": 2}},
            (
                "`models[0].prefill.tensorParallel` is `2`, expected a number that divides the "
                "model's own, 1: each of its devices takes the KV cache of one device"
            ),
        ),
        (
            {"nodes": 3, "tensorParallel": 8},
            (
                "`models[0].nodes` is `3`, expected a number that divides the replica's 8 ranks, "
                "tensorParallel x dataParallel"
            ),
        ),
        (
            {"claim": {"size": "50Gi"}, "source": "pvc://models/qwen"},
            (
                "`models[0].claim` is `given`, expected none: `pvc://models/qwen` is a claim that "
                "has files already"
            ),
        ),
        (
            {"claim": {"size": "50Gi", "accessMode": "ReadWriteOnce"}, "replicas": 2},
            (
                "`models[0].claim.accessMode` is `ReadWriteOnce`, expected ReadWriteMany, since 2 "
                "pods read it from whichever node they are on"
            ),
        ),
        (
            {"replicas": 2, "pods": {"maxUnavailable": 2}},
            (
                "`models[0].pods.maxUnavailable` is `2`, expected less than `models[0].replicas`, "
                "2: a drain could take all"
            ),
        ),
        (
            {"pods": {"labels": {"llm-d.ai/role": "decode"}}},
            (
                "`models[0].pods.labels.llm-d.ai/role` is `decode`, expected another key: by this "
                "one pools and controllers find pods"
            ),
        ),
        (
            {"args": ["--tensor-parallel-size=4"]},
            (
                "`models[0].args[0]` is `--tensor-parallel-size=4`, expected `tensorParallel` "
                "instead"
            ),
        ),
        (
            {"env": {"HF_TOKEN": "hf_secret"}},
            (
                "`models[0].env.HF_TOKEN` is `given`, expected `llm-d:hfToken` or "
                "`names.hfTokenSecret`, which keep it secret instead"
            ),
        ),
        (
            {"adapters": [{"name": "tuned", "source": "pvc://other/tuned"}]},
            (
                "`models[0].adapters[0].source` is `pvc://other/tuned`, expected hf://, or a "
                "folder of the claim that the model's `source` names"
            ),
        ),
        (
            {"scheduler": {"preset": "queue"}, "prefill": {}},
            (
                "`models[0].scheduler.preset` is `queue`, expected `prefill-decode`, or plugins "
                "with `pd-profile-handler`: others would send requests to the pods of `prefill` "
                "as if they answered"
            ),
        ),
    ],
)
def test_what_cannot_be_served_is_refused(said: dict[str, Any], problem: str) -> None:
    assert wrong(**said) == (problem,)


@pytest.mark.parametrize(
    "source", ["s3://bucket/model", "hf://only-a-name", "pvc://claim/../other", "hf://a/../b"]
)
def test_a_source_that_is_none_is_refused(source: str) -> None:
    [problem] = wrong(source=source)

    assert problem.startswith(f"`models[0].source` is `{source}`, expected ")
