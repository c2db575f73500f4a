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

from components.gateways import kinds
from stack.charts import Chart
from stack.kinds import Provider
from stack.platforms import PLATFORMS
from stack.releases import releases

KNOWN: dict[str, Any] = {
    "env": {},
    "image": "controller",
    "pod": {"labels": {}, "replicas": 1},
    "affinity": None,
    "resources": {"requests": {"cpu": "100m"}},
    "service": {"ports": [{"port": 80}]},
    "config": {"file": {"level": "info"}},
}


def charts() -> list[Chart]:
    """Of every provider's control plane, as every release and platform has it."""
    planes = [
        kind.control_plane(release.gateways[name], platform)
        for name, kind in kinds().items()
        if isinstance(kind, Provider)
        for release in releases().values()
        if name in release.gateways
        for platform in PLATFORMS.values()
    ]
    found: list[Chart] = []
    for chart in (chart for plane in planes for chart in plane.charts):
        if chart not in found:
            found.append(chart)
    return found


@pytest.mark.engine
@pytest.mark.parametrize("chart", charts(), ids=label)
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


def test_a_key_that_only_templates_read_is_known() -> None:
    freedom = Freedom(unlisted=frozenset({"pod.platform"}))
    values = {"pod": {"platform": "openshift", "replica": 2}}

    assert [*unknown_keys(values, KNOWN, freedom)] == ["pod.replica"]
