"""Runs as pictures."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.routing.figures import Figures, spread
from bench.routing.parameters import Trial
from bench.routing.report import LABEL, of_arm
from bench.routing.trial import Run

PANELS: dict[str, Callable[[Figures], float]] = {
    "completed, requests/s": lambda one: one.requests_per_second,
    "time to first token, p50, s": lambda one: one.ttft_p50,
    "time to first token, p90, s": lambda one: one.ttft_p90,
    "time per output token, ms": lambda one: 1000 * one.tpot_mean,
}
OF_SERVERS: dict[str, Callable[[Run], float]] = {
    "prompt tokens found in a cache, %": lambda run: 100 * run.servers.hit_share,
    "requests of the busiest replica by the average": lambda run: run.servers.busiest,
}
LOGARITHMIC = {"time to first token, p50, s", "time to first token, p90, s"}


def draw(runs: Sequence[Run], trials: Sequence[Trial], folder: Path) -> list[Path]:
    """One picture a workload."""
    return [_picture(runs, trial, folder / f"{trial.workload.name}.png") for trial in trials]


def _picture(runs: Sequence[Run], trial: Trial, file: Path) -> Path:
    """Medians of the seeds over what was sent, with bars from the lowest to the highest seed."""
    figure: Any = Figure(  # its stubs leave much unknown
        figsize=(13, 8), layout="constrained"
    )
    figure.suptitle(f"{trial.workload.name}: {trial.workload.says}\n{LABEL}", fontsize=11)
    axes: list[Any] = list(figure.subplots(2, 3).flat)
    rates = [stage.rate for stage in trial.workload.stages]
    colors = mpl.color_sequences["tab10"]
    for axis, (title, value) in zip(axes, PANELS.items(), strict=False):
        for arm, color in zip(trial.arms, colors, strict=False):
            mine = of_arm(runs, trial, arm.name)
            found = [
                spread([value(run.stages[index]) for run in mine]) for index in range(len(rates))
            ]
            middle = [one.median for one in found]
            bars = (
                [one.median - one.low for one in found],
                [one.high - one.median for one in found],
            )
            axis.errorbar(
                rates, middle, yerr=bars, label=arm.name, color=color, marker="o", capsize=3
            )
        axis.set(title=title, xlabel="sent, requests/s")
        if title in LOGARITHMIC:
            axis.set_yscale("log")
    axes[0].plot(rates, rates, color="0.7", linestyle=":", label="sent")
    axes[0].legend(fontsize=8)
    names = [arm.name for arm in trial.arms]
    for axis, (title, of_run) in zip(axes[len(PANELS) :], OF_SERVERS.items(), strict=True):
        for place, (name, color) in enumerate(zip(names, colors, strict=False)):
            values = [of_run(run) for run in of_arm(runs, trial, name)]
            axis.bar(place, spread(values).median, color=color)
            axis.scatter([place] * len(values), values, color="black", s=12, zorder=3)
        axis.set_title(title)
        axis.set_xticks(range(len(names)), names, rotation=30, ha="right")
    figure.savefig(file, dpi=110)
    return file
