"""Releases: versions that fit each other, and pairs that are refused because they do not."""

import shutil
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from test_bad_input import MODEL, STACK, planned, told

from components import crds, inference_pool
from stack import config, hardware, releases
from stack.checks import is_pinned
from stack.plan import Crds, Model
from stack.refusals import REFUSALS

RELEASES = releases.releases()
TARGETS = hardware.targets()
REWRITES = "inferencemodelrewrites"

PAIRS = [(name, target) for name in RELEASES for target in TARGETS]


def of(release: str, target: str = "simulated", **model: object) -> Model:
    whole = TARGETS[target].node_devices * TARGETS[target].ranks_per_device
    ranks = {"tensorParallel": whole} if TARGETS[target].whole_nodes else {}
    said = [MODEL | {"maxModelLen": 4096} | ranks | model]
    return planned(release=release, hardware=target, models=said).models[0]


def test_the_releases_are_those_of_the_guides_and_the_newest() -> None:
    assert {*RELEASES} == {"v0.4", "v0.5", "v0.6", "current"}


@pytest.mark.parametrize("package", [releases, hardware])
def test_a_new_one_is_a_file_that_is_found_by_itself(
    package: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(package.__path__[0])
    found, source = (
        (releases.releases, "v0_5.py") if package is releases else (hardware.targets, "cuda.py")
    )
    shutil.copy(folder / source, tmp_path / "v9_9.py")
    monkeypatch.setattr(package, "__path__", [str(tmp_path)])
    found.cache_clear()
    try:
        assert {*found()} == {"v9.9" if package is releases else "v9-9"}
    finally:
        monkeypatch.undo()
        found.cache_clear()


@pytest.mark.parametrize("name", RELEASES)
def test_a_release_has_an_image_or_a_reason_for_every_target(name: str) -> None:
    release = RELEASES[name]

    assert release.servers.keys() | release.lacks.keys() == TARGETS.keys()
    assert not release.servers.keys() & release.lacks.keys()


@pytest.mark.parametrize(("name", "target"), PAIRS)
def test_a_target_that_a_release_has_no_image_for_is_refused_with_the_reason(
    name: str, target: str
) -> None:
    if why := RELEASES[name].lacks.get(target):
        assert told(release=name, hardware=target) == (
            f"`hardware` is `{target}`, expected one that release `{name}` has images for: {why}",
        )
    else:
        service = of(name, target).service
        assert service.image == RELEASES[name].servers[target].image


@pytest.mark.parametrize("name", RELEASES)
def test_no_image_of_a_release_moves(name: str) -> None:
    release = RELEASES[name]
    images = [one.image for one in release.servers.values()]

    for image in (*images, release.endpoint_picker, release.envoy, release.routing_proxy):
        assert is_pinned(image), image


@pytest.mark.parametrize("name", RELEASES)
def test_what_an_endpoint_picker_watches_it_may_watch_and_is_defined(name: str) -> None:
    """One that watches what is not defined crash-loops; one that may not, as well."""
    release, pool = RELEASES[name], of(name).pool
    files = " ".join(file.path for file in release.crds["inferenceExtension"].files)
    rules: list[Any] = inference_pool.rules(pool)
    allowed = {
        (group, resource)
        for rule in rules
        for group in rule["api_groups"]
        for resource in rule["resources"]
    }

    for group, resources in release.picker_watches.items():
        assert {(group, resource) for resource in resources} <= allowed
    for resource in release.picker_watches[release.objectives_group]:
        assert f"{release.objectives_group}_{resource}.yaml" in files
    assert (REWRITES in files) == (name != "v0.4")


@pytest.mark.parametrize("name", RELEASES)
def test_pools_are_of_the_version_that_gateways_take(name: str) -> None:
    """v1alpha2 is defined by no release: where both are, some gateways answer 503."""
    pools = [
        Path(file.path).stem
        for file in RELEASES[name].crds["inferenceExtension"].files
        if file.path.endswith("_inferencepools.yaml")
    ]

    assert pools == ["inference.networking.k8s.io_inferencepools"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "v0.4",
            {
                "labels": {"llm-d.ai/inferenceServing": "true"},
                "port": "metrics",
                "api": "inference.networking.x-k8s.io/v1alpha1",
                "metric": True,
            },
        ),
        (
            "v0.5",
            {
                "labels": {"llm-d.ai/inferenceServing": "true"},
                "port": "vllm",
                "api": "inference.networking.x-k8s.io/v1alpha1",
                "metric": False,
            },
        ),
        (
            "v0.6",
            {
                "labels": {
                    "llm-d.ai/inference-serving": "true",
                    "llm-d.ai/guide": "inference-scheduling",
                },
                "port": "vllm",
                "api": "inference.networking.x-k8s.io/v1alpha1",
                "metric": False,
            },
        ),
        (
            "current",
            {
                "labels": {"llm-d.ai/guide": "optimized-baseline"},
                "port": "modelserver",
                "api": "llm-d.ai/v1alpha1",
                "metric": False,
            },
        ),
    ],
)
def test_labels_ports_and_configuration_are_swapped_with_the_release(
    name: str, said: dict[str, Any]
) -> None:
    model = of(name)

    names = {"llm-d.ai/model": "qwen3-0.6b", "llm-d.ai/pool": model.pool.name}
    assert model.pool.selects == {**said["labels"], **names}
    assert model.pool.selects.items() <= model.service.decode.labels.items()
    assert model.service.port_name == said["port"]
    assert yaml.safe_load(model.pool.picker_config)["apiVersion"] == said["api"]
    # Before the inference extension 1.3 it asked for a metric that vLLM has renamed since.
    asks = "--kv-cache-usage-percentage-metric=vllm:kv_cache_usage_perc"
    assert (asks in model.pool.args) is said["metric"]


def test_prefixes_are_told_apart_by_a_plugin_of_its_own_since_the_router() -> None:
    plugins = {
        name: {one["type"]: one for one in yaml.safe_load(of(name).pool.picker_config)["plugins"]}
        for name in ("v0.6", "current")
    }

    assert "parameters" in plugins["v0.6"]["prefix-cache-scorer"]
    assert "parameters" not in plugins["current"]["prefix-cache-scorer"]
    assert "parameters" in plugins["current"]["approx-prefix-cache-producer"]


def test_names_are_not_rewritten_by_a_release_that_cannot() -> None:
    asked = MODEL | {"aliases": [{"name": "chat"}]}

    assert told(release="v0.4", models=[asked]) == (
        (
            "`models[0].aliases` is `given`, expected none with release `v0.4`, whose endpoint "
            "picker rewrites no names"
        ),
    )


@pytest.mark.parametrize("name", ["v0.5", "v0.6", "current"])
def test_definitions_that_an_endpoint_picker_crash_loops_with_are_refused(name: str) -> None:
    bundle = RELEASES[name].crds["inferenceExtension"]
    asked = Crds(
        name="inferenceExtension", key="gateway.crds.inferenceExtension", bundle=bundle, adopt=True
    )

    with pytest.raises(pulumi.RunError) as refused:
        crds.check({str(bundle.annotation): "v1.2.0"}, asked)

    assert str(refused.value) == (
        "the cluster has sigs.k8s.io/gateway-api-inference-extension v1.2.0, and the release needs "
        f"{bundle.version} (the release's endpoint picker watches InferenceModelRewrite, which "
        "came with v1.3.0, and crash-loops without it): upgrade it, or choose a release that fits; "
        "`gateway.crds.inferenceExtension: false` leaves it unchecked"
    )


def test_other_definitions_than_the_releases_are_refused_too() -> None:
    bundle = RELEASES["v0.5"].crds["gatewayApi"]
    asked = Crds(name="gatewayApi", key="gateway.crds.gatewayApi", bundle=bundle, adopt=True)

    crds.check({str(bundle.annotation): bundle.version}, asked)
    with pytest.raises(pulumi.RunError) as refused:
        crds.check({}, asked)

    assert str(refused.value).startswith(
        "the cluster has sigs.k8s.io/gateway-api of an unknown version, and the release needs "
        "v1.4.0: upgrade it"
    )


KGATEWAY = "`gateway.provider` is `kgateway`, expected "


@pytest.mark.parametrize(
    ("changes", "told_so"),
    [
        (
            {"release": "v0.6"},
            (
                "`agentgateway` with `v0.6`: kgateway gave up InferencePool with 2.3, and what "
                "these releases were tried with is what came after it"
            ),
        ),
        (
            {"release": "current"},
            (
                "`agentgateway` with `current`: kgateway gave up InferencePool with 2.3, and what "
                "these releases were tried with is what came after it"
            ),
        ),
        (
            {"hardware": "cpu-arm64"},
            (
                "`standalone`, `istio` or `agentgateway` with `cpu-arm64`: its proxy's image says "
                "arm64 and has a program for amd64"
            ),
        ),
        ({"release": "v0.5"}, None),
    ],
)
def test_gateways_that_are_known_not_to_work_are_refused(
    changes: dict[str, str], told_so: str | None
) -> None:
    asked = STACK | {"cluster": {"kind": "any"}, "gateway": {"provider": "kgateway"}} | changes
    stack = config.Stack.model_validate(asked)

    problems = [said for one in REFUSALS if (said := one.refuses(stack))]

    assert problems == ([KGATEWAY + told_so] if told_so else [])
