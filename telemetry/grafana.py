"""Dashboards as Grafana takes them, from files that its sidecar finds in ConfigMaps."""

import hashlib
from collections.abc import Mapping

from grafana_foundation_sdk.builders import dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    GridPos,
    VariableOption,
    VariableRefresh,
)

from stack.plan import Monitoring
from telemetry.boards import boards
from telemetry.panels import Board, Panel, Query

LABEL = "grafana_dashboard"
"""Of ConfigMaps that the sidecar reads."""
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
COLUMNS, WIDTH, HEIGHT = 2, 12, 8
"""Of the grid, which is 24 wide."""


def dashboards(monitoring: Monitoring) -> Mapping[str, str]:
    """Name of each board -> its JSON."""
    return {
        board.name: JSONEncoder(sort_keys=True, indent=1).encode(
            _dashboard(board, monitoring).build()
        )
        for board in boards(monitoring.metrics)
    }


def uid(board: str, monitoring: Monitoring) -> str:
    """Its address: another for every stack that one Grafana shows."""
    told = f"{monitoring.namespace}/{monitoring.dashboard_prefix}"
    return f"llm-d-{board}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def _dashboard(board: Board, monitoring: Monitoring) -> dashboard.Dashboard:
    made = (
        dashboard.Dashboard(f"{board.title} ({monitoring.namespace})")
        .uid(uid(board.name, monitoring))
        .tags(["llm-d"])
        .refresh("30s")
        .time("now-1h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
        )
        .with_variable(_from_label("namespace", monitoring.metrics.picker.ready, monitoring))
        .with_variable(
            _from_label(
                "pool", f'{monitoring.metrics.picker.ready}{{namespace="$namespace"}}', monitoring
            )
            .multi(multi=True)
            .include_all(include_all=True)
            .all_value(".+")
        )
        .with_variable(
            dashboard.TextBoxVariable("dollars")
            .label("Dollars an hour for a replica")
            .default_value(f"{monitoring.dollars_per_hour:g}")
        )
    )
    for at, panel in enumerate(board.panels):
        made = made.with_panel(_panel(at, panel))
    return made


def _from_label(name: str, series: str, monitoring: Monitoring) -> dashboard.QueryVariable:
    variable = (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(SOURCE)
        .query(f"label_values({series}, {name})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    )
    if name == "namespace":
        variable = variable.current(
            VariableOption(selected=True, text=monitoring.namespace, value=monitoring.namespace)
        )
    return variable


def _panel(at: int, panel: Panel) -> timeseries.Panel:
    says = f"{panel.says} Needs {panel.needs}." if panel.needs else panel.says
    made = (
        timeseries.Panel()
        .id(at + 1)
        .title(panel.title)
        .description(says)
        .datasource(SOURCE)
        .unit(panel.unit)
        .min(0)
        .grid_pos(
            GridPos(
                h=HEIGHT, w=WIDTH, x=at % COLUMNS * WIDTH, y=at // COLUMNS * HEIGHT, static=None
            )
        )
    )
    for letter, query in zip("ABCDEF", panel.queries, strict=False):
        made = made.with_target(_target(letter, query))
    return made


def _target(letter: str, query: Query) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery().ref_id(letter).expr(query.expr).legend_format(query.legend).range()
    )
