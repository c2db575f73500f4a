"""A dashboard as a picture, for people without Grafana."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from telemetry.asking import Prometheus, Series
from telemetry.panels import Board, Panel, Unit

COLUMNS = 2
STEPS = 200
"""Points of a line."""
AXES: Mapping[Unit, str] = {
    Unit.SECONDS: "s",
    Unit.REQUESTS: "a second",
    Unit.RATE: "a second",
    Unit.BYTES: "bytes",
    Unit.DOLLARS: "$",
}


def filled_in(expr: str, variables: Mapping[str, str]) -> str:
    """A dashboard's query with what Grafana would put in for its variables."""
    return re.sub(r"\$(\w+)", lambda name: variables[name[1]], expr)


def draw(
    board: Board,
    prometheus: Prometheus,
    variables: Mapping[str, str],
    begin: float,
    end: float,
    file: Path,
) -> None:
    """What it shows between two times, in seconds since 1970."""
    rows = math.ceil(len(board.panels) / COLUMNS)
    figure: Any = Figure(  # its stubs leave much unknown
        figsize=(13, 2.6 * rows), layout="constrained"
    )
    when = datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%d %H:%M UTC")
    figure.suptitle(f"{board.title}, {variables['namespace']}, {when}", fontsize=12)
    axes: list[Any] = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
    for axis, panel in zip(axes, board.panels, strict=False):
        _draw(axis, panel, prometheus, variables, begin, end)
    for axis in axes[len(board.panels) :]:
        axis.set_visible(False)
    figure.savefig(file, dpi=80)


def _draw(
    axis: Any,
    panel: Panel,
    prometheus: Prometheus,
    variables: Mapping[str, str],
    begin: float,
    end: float,
) -> None:
    axis.set_title(panel.title, fontsize=10, loc="left")
    for query in panel.queries:
        expr = filled_in(query.expr, variables)
        for series in prometheus.over(expr, begin, end, (end - begin) / STEPS):
            times = [datetime.fromtimestamp(at, UTC) for at, _ in series.points]
            label = legend(query.legend, series)
            axis.plot(times, [value for _, value in series.points], label=label, linewidth=1.2)
    axis.set_ylim(bottom=0)
    axis.set_xlim(datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC))
    if panel.unit == Unit.SHARE:
        axis.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    axis.set_ylabel(AXES.get(panel.unit, ""), fontsize=8)
    locator = AutoDateLocator()
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axis.tick_params(labelsize=8)
    axis.grid(visible=True, color="0.9")
    if axis.lines:
        axis.legend(fontsize=7, loc="upper left", frameon=False)
    else:
        axis.text(0.5, 0.5, "no data", transform=axis.transAxes, ha="center", color="0.5")


def legend(template: str, series: Series) -> str:
    """`{{pod}}` filled in; of a pod's name the part that tells it from the others."""

    def value(label: re.Match[str]) -> str:
        said = series.labels.get(label[1], "")
        return said.rsplit("-", 1)[-1] if label[1] == "pod" else said

    return re.sub(r"\{\{(\w+)\}\}", value, template)
