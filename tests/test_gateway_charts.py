"""What the gateway providers set in their control planes' charts, those charts know.

Of a chart that is not to be had here the test is skipped, and the reason says how to have it.
"""

from pathlib import Path
from typing import Any

import pytest
from chart_sources import (
    FREEDOMS,
    Freedom,
    defaults,
    folder,
    label,
    named,
    pull,
    render,
    unknown_keys,
)

from stack.charts import Chart

KNOWN: dict[str, Any] = {
    "env": {},
    "image": "controller",
    "pod": {"labels": {}, "replicas": 1},
    "affinity": None,
    "resources": {"requests": {"cpu": "100m"}},
    "service": {"ports": [{"port": 80}]},
    "config": {"file": {"level": "info"}},
}
POST = ["Translation", "Cluster", "Route"]
POOLS = [{"group": "inference.networking.k8s.io", "kind": "InferencePool", "version": "v1"}]
CHARTS = [
    Chart(
        name="istiod",
        namespace="istio-system",
        chart="https://istio-release.storage.googleapis.com/charts/istiod-1.28.1.tgz",
        version="1.28.1",
        values={
            "pilot": {
                "env": {"ENABLE_GATEWAY_API_INFERENCE_EXTENSION": "true"},
                "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}},
            },
            "global": {"hub": "docker.io/istio", "tag": "1.28.1"},
            "meshConfig": {"accessLogFile": "/dev/stdout"},
        },
    ),
    Chart(
        name="kgateway",
        namespace="kgateway-system",
        chart="oci://cr.kgateway.dev/kgateway-dev/charts/kgateway",
        version="v2.1.1",
        values={"inferenceExtension": {"enabled": True}},
    ),
    Chart(
        name="agentgateway",
        namespace="agentgateway-system",
        chart="oci://cr.agentgateway.dev/charts/agentgateway",
        version="v1.1.0",
        values={"inferenceExtension": {"enabled": True}},
    ),
    Chart(
        name="eg",
        namespace="envoy-gateway-system",
        chart="oci://docker.io/envoyproxy/gateway-helm",
        version="v1.8.3",
        values={
            "crds": {"enabled": False},
            "config": {
                "envoyGateway": {
                    "extensionApis": {"enableBackend": True, "enableEnvoyPatchPolicy": True},
                    "extensionManager": {
                        "backendResources": POOLS,
                        "hooks": {"xdsTranslator": {"post": POST}},
                    },
                }
            },
        },
    ),
    Chart(
        name="ai-gateway",
        namespace="envoy-ai-gateway-system",
        chart="oci://docker.io/envoyproxy/ai-gateway-helm",
        version="v0.7.0",
    ),
]


@pytest.mark.engine
@pytest.mark.parametrize("chart", CHARTS, ids=label)
def test_a_chart_knows_every_key_that_is_set_and_renders_with_them(
    chart: Chart, tmp_path: Path
) -> None:
    """The pinned chart where `helm pull` has brought it, else the nearest that a Go module has."""
    if not (source := folder(chart, tmp_path)):
        pytest.skip(f"{named(chart)} {chart.version} is not to be had here: `{pull(chart)}`")

    unknown = unknown_keys(chart.values, defaults(source), FREEDOMS.get(named(chart)))

    assert [*unknown] == []
    assert render(chart, source)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"image": "other"},
        {"env": {"ANY": "thing"}},
        {"affinity": {"nodeAffinity": {}}},
        {"pod": {"labels": {"a": "b"}, "replicas": 2}},
        {"resources": {"limits": {"memory": "1Gi"}}},
        {"service": {"ports": []}},
    ],
    ids=str,
)
def test_keys_that_a_chart_has_are_known(values: dict[str, Any]) -> None:
    assert [*unknown_keys(values, KNOWN)] == []


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"replicas": 2}, "replicas"),
        ({"pod": {"replica": 2}}, "pod.replica"),
        ({"pod": 2}, "pod (the chart has a map there)"),
        ({"image": {"tag": "v1"}}, "image (the chart has no map there)"),
        ({"resources": {"limit": {"memory": "1Gi"}}}, "resources.limit"),
        ({"config": {"file": {"levels": "debug"}}}, "config.file.levels"),
    ],
    ids=str,
)
def test_a_key_that_a_chart_does_not_have_is_told(values: dict[str, Any], told: str) -> None:
    assert [*unknown_keys(values, KNOWN)] == [told]


def test_what_a_chart_passes_on_as_it_stands_may_have_any_keys() -> None:
    freedom = Freedom(free=frozenset({"config.file"}))
    values = {"config": {"file": {"manager": {"resources": 1}}, "manager": {"resources": 1}}}

    assert [*unknown_keys(values, KNOWN, freedom)] == ["config.manager"]


def test_under_an_alias_stand_a_charts_own_keys() -> None:
    freedom = Freedom(aliases=frozenset({"controller"}))
    values = {"controller": {"env": {"A": "b"}, "pod": {"replica": 2}}, "image": "other"}

    assert [*unknown_keys(values, KNOWN, freedom)] == ["controller.pod.replica"]
