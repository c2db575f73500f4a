"""Which images are built, what they are called, and what is refused: decided in the plan."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from recording import SECRET, Deploy, Made
from test_bad_input import MODEL, STACK, planned, told

import images
from components import clusters
from stack import config, releases
from stack.plan import Plan

HERE = {"kind": "embedded"}
QUAY = {"repository": "quay.io/me"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SMALL = MODEL | {"maxModelLen": 2048}
ARM: dict[str, Any] = {"cluster": HERE, "hardware": "cpu-arm64", "models": [SMALL]}
RECIPES = images.recipes()
KINDS = clusters.kinds()


def arm(**changes: Any) -> dict[str, Any]:
    return {**ARM, **changes}


def building(*recipes: str, **said: Any) -> Plan:
    return planned(**ARM, images={"build": [*recipes], "registry": QUAY, **said})


def refused(*recipes: str, secrets: frozenset[str] = frozenset(), **said: Any) -> tuple[str, ...]:
    return told(secrets, **ARM, images={"build": [*recipes], **said})


def test_the_recipes_are_those_that_the_guides_build_and_the_simulator() -> None:
    assert {*RECIPES} == {"endpoint-picker", "inference-simulator", "routing-sidecar", "vllm-cpu"}


def test_a_new_recipe_is_a_file_that_is_found_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(Path(images.__path__[0]) / "vllm_cpu.py", tmp_path / "vllm_gpu.py")
    monkeypatch.setattr(images, "__path__", [str(tmp_path)])
    images.recipes.cache_clear()
    try:
        assert {*images.recipes()} == {"vllm-gpu"}
    finally:
        monkeypatch.undo()
        images.recipes.cache_clear()


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_a_whole_commit_or_a_reason_for_every_release(name: str) -> None:
    recipe = RECIPES[name]

    assert recipe.sources.keys() | recipe.lacks.keys() == releases.releases().keys()
    assert not recipe.sources.keys() & recipe.lacks.keys()
    assert all(re.fullmatch(r"[0-9a-f]{40}", one.commit) for one in recipe.sources.values())
    assert bool(recipe.hardware) == (recipe.stands_for == "server")


def test_nothing_is_built_that_is_not_asked_for() -> None:
    assert planned().images == ()


def test_a_built_server_is_what_the_models_pods_run() -> None:
    plan = building("vllm-cpu")

    [image] = plan.images
    assert re.fullmatch(r"quay\.io/me/llm-d-vllm-cpu:c5f10cc139ec-arm64-[0-9a-f]{12}", image.name)
    assert plan.models[0].service.image == image.name
    assert [(one.platform, one.name) for one in image.parts] == [("linux/arm64", image.name)]


def test_hardware_that_a_release_has_no_image_for_runs_one_that_is_built() -> None:
    source = {"vllm-cpu": {"commit": COMMIT, "tag": "v0.12.0"}}
    said = {"build": ["vllm-cpu"], "registry": QUAY, "sources": source}

    [problem] = told(**ARM, release="v0.6")
    plan = planned(**ARM, release="v0.6", images=said)

    assert "nobody publishes its CPU image for arm64" in problem
    assert plan.models[0].service.image == plan.images[0].name
    assert (plan.images[0].tag, plan.images[0].commit) == ("v0.12.0", COMMIT)


def test_the_patch_names_the_architecture_that_is_built_for() -> None:
    [image] = building(
        "endpoint-picker", rebuild=True, platforms=["linux/amd64", "linux/arm64"]
    ).images

    assert [one.patches[0].replace for one in image.parts] == [
        "ENV GOARCH=amd64",
        "ENV GOARCH=arm64",
    ]
    assert len({image.name, *(one.name for one in image.parts)}) == 3


def test_a_picker_that_is_built_knows_the_extensions_plugins_alone() -> None:
    plugins = {"plugins": [{"type": "load-aware-scorer", "weight": 1}]}
    stack = arm(models=[SMALL | {"scheduler": plugins}])
    said = {"build": ["endpoint-picker"], "registry": QUAY, "rebuild": True}

    [problem] = told(**stack, images=said)

    assert "load-aware-scorer" in problem
    assert planned(**stack)


@pytest.mark.parametrize(
    ("recipe", "changes", "why"),
    [
        ("endpoint-picker", {}, "is published for arm64; `images.rebuild` builds it all the same"),
        ("vllm-cpu", {"hardware": "cpu"}, "ghcr.io/llm-d/llm-d-cpu:v0.5.0 is published for amd64"),
        ("vllm-cpu", {"hardware": "simulated"}, "`simulated` has another model server"),
        ("routing-sidecar", {}, "nothing would run it: no model has `prefill`"),
    ],
)
def test_what_need_not_be_built_is_skipped_with_the_reason(
    recipe: str, changes: dict[str, Any], why: str
) -> None:
    plan = planned(**arm(images={"build": [recipe], "registry": QUAY}, **changes))

    assert plan.images == ()
    assert why in plan.not_built[recipe]


@pytest.mark.parametrize(
    "change",
    [
        {"sources": {"vllm-cpu": {"commit": COMMIT}}},
        {"sources": {"vllm-cpu": {"args": {"max_jobs": "2"}}}},
        {"platforms": ["linux/amd64"], "rebuild": True},
    ],
)
def test_whatever_is_built_into_an_image_changes_its_name(change: dict[str, Any]) -> None:
    [one], [other] = building("vllm-cpu").images, building("vllm-cpu", **change).images

    assert one.name != other.name


def test_how_it_is_built_does_not_change_its_name() -> None:
    [one] = building("vllm-cpu").images
    [other] = building("vllm-cpu", engine="docker", timeout="9h").images

    assert one.name == other.name
    assert (other.engine, other.seconds) == ("docker", 9 * 3600)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({}, "`images.registry` is missing: the nodes of this kind of cluster take images from"),
        (
            {"registry": QUAY, "sources": {"vllm-cpu": {"tag": "v1"}}},
            "`images.sources.vllm-cpu` is `v1`, expected its `commit` too",
        ),
        (
            {"registry": QUAY, "sources": {"endpoint-picker": {"commit": COMMIT}}},
            "`images.sources.endpoint-picker` is `given`, expected a recipe that `images.build`",
        ),
        (
            {"registry": QUAY | {"username": "me"}},
            "`images.registry.username` is `me`, expected its password too, by `pulumi config set",
        ),
        (
            {"registry": QUAY, "platforms": ["linux/arm64", "linux/arm64"]},
            "`images.platforms` is `linux/arm64, linux/arm64`, expected each platform once",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(said: dict[str, Any], problem: str) -> None:
    assert any(one.startswith(problem) for one in refused("vllm-cpu", **said))


def test_a_source_that_is_not_known_is_asked_for() -> None:
    [problem] = told(
        cluster=HERE,
        images={"build": ["inference-simulator"], "registry": QUAY, "rebuild": True},
    )

    assert "`commit` and `tag` in `images.sources.inference-simulator`" in problem


def test_a_password_without_a_user_is_refused() -> None:
    secrets = frozenset({"registryPassword"})

    assert any(
        one.startswith("`images.registry.username` is missing")
        for one in refused("vllm-cpu", secrets=secrets, registry=QUAY)
    )


HOSTILE = st.text(st.sampled_from(" \"'$`;|&<>(){}\\\n\t-a:/@"), min_size=1, max_size=12)


@given(value=HOSTILE, key=st.sampled_from(["repository", "tag", "commit"]))
def test_words_that_git_or_a_shell_would_misread_are_refused(key: str, value: str) -> None:
    source = {"commit": COMMIT, key: value}
    try:
        plan = building("vllm-cpu", sources={"vllm-cpu": source})
    except ValueError:
        return
    [image] = plan.images
    said = {"repository": image.repository, "tag": image.tag or "", "commit": image.commit}[key]
    assert re.fullmatch(r"[\w.:/~+@-]+", said)
    assert not said.startswith("-")


def commands(made: list[Made]) -> list[Made]:
    return [one for one in made if one.type.startswith("command:") and one.name != "cluster"]


LOADED: dict[str, Any] = {
    "llm-d:cluster": HERE,
    "llm-d:hardware": "cpu-arm64",
    "llm-d:images": {"build": ["vllm-cpu"]},
    "llm-d:models": [SMALL],
}
PUSHED = LOADED | {
    "llm-d:images": {"build": ["vllm-cpu"], "registry": QUAY | {"username": "me"}},
}
PASSWORD = {"llm-d:registryPassword": "hunter2"}


def test_a_build_is_told_everything_by_its_environment(deploy: Deploy) -> None:
    [command] = commands(deploy("embedded", config=PUSHED, secrets=PASSWORD))
    said = json.loads(command.inputs["environment"]["LLMD_IMAGE"])

    assert command.inputs["create"] == "exec python3 -m builder build"
    assert command.inputs["delete"] == "exec python3 -m builder remove"
    assert command.inputs["triggers"] == [said["name"]]
    assert command.inputs["environment"]["LLMD_REGISTRY_PASSWORD"] == "hunter2"  # noqa: S105
    assert said["loads"] == []


def test_the_registrys_password_is_a_secret_wherever_it_goes(deploy: Deploy) -> None:
    made = deploy("embedded", config=PUSHED, secrets=PASSWORD, preview=True)
    holders = [
        one for one in made if "hunter2" in str(one.inputs) or "bWU6aHVudGVyMg==" in str(one)
    ]

    assert sorted(one.kind for one in holders) == ["Command", "Secret"]
    for one in holders:
        said = json_format.MessageToDict(one.request.object)
        held = said["environment"] if one.kind == "Command" else said["stringData"]
        assert SECRET in json.dumps(held)


def test_pods_pull_what_was_pushed_with_a_secret_of_their_namespace(deploy: Deploy) -> None:
    made = deploy("embedded", config=PUSHED, secrets=PASSWORD)

    [secret] = [one for one in made if one.kind == "Secret"]
    pods = [
        one.inputs["spec"]["template"]["spec"]
        for one in made
        if one.kind == "Deployment" and one.name != "front-proxy"
    ]

    assert secret.inputs["type"] == "kubernetes.io/dockerconfigjson"
    assert [one["imagePullSecrets"] for one in pods] == [[secret_name(secret)]] * 2


def secret_name(secret: Made) -> dict[str, str]:
    return {"name": secret.inputs["metadata"]["name"]}


def loads(settings: config.Cluster) -> tuple[str, ...]:
    return ("kind", "load", settings.kind)


def test_nodes_are_given_an_image_of_their_platform_where_no_registry_is_named(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading = replace(KINDS["embedded"], loads_images=loads)
    monkeypatch.setattr(clusters, "kinds", lambda: {**KINDS, "embedded": loading})

    made = deploy("embedded", config=LOADED, secrets={})

    build, load = commands(made)
    [decode] = [one for one in made if one.name == "model-decode"]
    said = json.loads(load.inputs["environment"]["LLMD_IMAGE"])
    assert (build.inputs["create"], load.inputs["create"]) == (
        "exec python3 -m builder build",
        "exec python3 -m builder load",
    )
    assert build.urn in load.request.dependencies
    assert said["loads"] == ["kind", "load", "embedded"]
    assert said["name"].startswith("localhost/llm-d-vllm-cpu:")
    # Nodes and what is on them go with the cluster; what is on this machine does not.
    [owner] = [one for one in made if one.name == "cluster" and one.type.startswith("command:")]
    assert (build.request.deletedWith, load.request.deletedWith) == ("", owner.urn)
    assert "LLMD_REGISTRY_PASSWORD" not in load.inputs["environment"]
    # The digest is not known before the build; the name is.
    containers = decode.inputs["spec"]["template"]["spec"]["containers"]
    assert containers[0]["image"] == said["name"]


def test_several_platforms_are_for_registries_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    loading = replace(KINDS["embedded"], loads_images=loads)
    monkeypatch.setattr(clusters, "kinds", lambda: {**KINDS, "embedded": loading})

    [problem] = refused("vllm-cpu", platforms=["linux/amd64", "linux/arm64"])

    assert problem.startswith("`images.platforms` is `linux/amd64, linux/arm64`, expected one, or")


def test_a_stack_that_builds_nothing_has_no_secret_for_a_registry() -> None:
    assert planned(**STACK).namespace.pull_secret is None


def test_no_image_is_called_latest() -> None:
    for recipe in RECIPES:
        source = {recipe: {"commit": COMMIT, "tag": "v1"}}
        hardware = next(iter(sorted(RECIPES[recipe].hardware)), "cpu-arm64")
        said = {"build": [recipe], "registry": QUAY, "rebuild": True, "sources": source}
        release = next(name for name, one in releases.releases().items() if hardware in one.servers)
        plan = planned(**arm(hardware=hardware), release=release, images=said)
        assert all(":v1-" in one.name for one in plan.images)
