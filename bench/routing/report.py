"""Runs as a table for people and as JSON for programs."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from bench.routing.figures import Figures, Spread, change, spread
from bench.routing.parameters import Trial
from bench.routing.trial import Run

LABEL = "simulated model servers, real endpoint picker and Envoy; no measurement of a GPU"

HEADER = (
    *("arm", "load", "done/s", "tokens/s", "TTFT p50", "p90", "p99", "TPOT"),
    *("hits", "busiest", "errors", "late p99"),
)
FULL = 0.9
"""Share of the machine's cores that may be busy before it decides latencies."""
COLUMNS: Sequence[tuple[Callable[[Figures], float], Callable[[float], str]]] = (
    (lambda one: one.requests_per_second, "{:.1f}".format),
    (lambda one: one.output_tokens_per_second, "{:.0f}".format),
    (lambda one: 1000 * one.ttft_p50, "{:.0f} ms".format),
    (lambda one: 1000 * one.ttft_p90, "{:.0f} ms".format),
    (lambda one: 1000 * one.ttft_p99, "{:.0f} ms".format),
    (lambda one: 1000 * one.tpot_mean, "{:.1f} ms".format),
)
"""From `done/s` to `TPOT`."""
NONE = ("",) * 4
"""Under the columns that are known for all stages together."""
CHANGES: dict[str, Callable[[Run], float]] = {
    "requests/s": lambda run: run.overall.requests_per_second,
    "output tokens/s": lambda run: run.overall.output_tokens_per_second,
    "TTFT mean": lambda run: run.overall.ttft_mean,
    "TTFT mean at the servers": lambda run: run.servers.ttft_mean,
    "TTFT p90": lambda run: run.overall.ttft_p90,
    "TPOT": lambda run: run.overall.tpot_mean,
}
"""What is compared with the first arm."""


def of_arm(runs: Sequence[Run], trial: Trial, arm: str) -> list[Run]:
    """By seed."""
    mine = [one for one in runs if (one.workload, one.arm) == (trial.workload.name, arm)]
    return sorted(mine, key=lambda run: run.seed)


def text(runs: Sequence[Run], trials: Sequence[Trial]) -> str:
    """Medians over the seeds, and changes seed by seed."""
    parts = [LABEL]
    for trial in trials:
        workload, first = trial.workload, trial.arms[0].name
        rows: list[tuple[str, ...]] = [HEADER]
        for arm in trial.arms:
            mine = of_arm(runs, trial, arm.name)
            for index, stage in enumerate(workload.stages):
                at = f"{stage.rate:g}/s, {stage.seconds:g} s"
                rows.append((arm.name, at, *_figures([run.stages[index] for run in mine]), *NONE))
            rows.append(
                (arm.name, "all", *_figures([run.overall for run in mine]), *_servers(mine))
            )
        parts += [f"{workload.name}: {workload.says}; {workload.groups} prefixes", _table(rows)]
        others = [arm.name for arm in trial.arms[1:]]
        changes = [
            (f"beside {first}", *others),
            *(
                (
                    name,
                    *(_changed(_change(runs, trial, other, figure)) for other in others),
                )
                for name, figure in CHANGES.items()
            ),
        ]
        parts += [_table(changes)]
    parts.append("\n".join(f"{arm.name}: {arm.says}" for arm in trials[0].arms))
    parts.append(_harness(runs))
    parts += [f"{run.arm}, seed {run.seed}: {why}" for run in runs for why in run.failures]
    return "\n\n".join(parts)


def plain(runs: Sequence[Run], trials: Sequence[Trial]) -> dict[str, Any]:
    """All that is known, for JSON."""
    return {
        "what": LABEL,
        "trials": [asdict(trial) for trial in trials],
        "changes": [
            {
                "workload": trial.workload.name,
                "arm": arm.name,
                "beside": trial.arms[0].name,
                **{
                    name: asdict(_change(runs, trial, arm.name, figure))
                    for name, figure in CHANGES.items()
                },
            }
            for trial in trials
            for arm in trial.arms[1:]
        ],
        "runs": [asdict(run) for run in runs],
    }


def _change(runs: Sequence[Run], trial: Trial, arm: str, figure: Callable[[Run], float]) -> Spread:
    mine, theirs = of_arm(runs, trial, arm), of_arm(runs, trial, trial.arms[0].name)
    return change([figure(run) for run in mine], [figure(run) for run in theirs])


def _figures(seeds: Sequence[Figures]) -> tuple[str, ...]:
    return tuple(write(spread([figure(one) for one in seeds]).median) for figure, write in COLUMNS)


def _servers(runs: Sequence[Run]) -> tuple[str, ...]:
    return (
        f"{spread([run.servers.hit_share for run in runs]).median:.0%}",
        f"{spread([run.servers.busiest for run in runs]).median:.2f}x",
        f"{sum(run.overall.errors for run in runs)}",
        f"{1000 * max(run.overall.late_p99 for run in runs):.0f} ms",
    )


def _changed(one: Spread) -> str:
    return f"{one.median:+.0%} ({one.low:+.0%} … {one.high:+.0%})"


def _harness(runs: Sequence[Run]) -> str:
    cores = runs[0].harness.cores
    client = max(run.harness.client_cpu for run in runs)
    machine = max(run.harness.machine_cpu for run in runs)
    lag = max(run.servers.step_lag for run in runs)
    full = sum(run.harness.machine_cpu > FULL * cores for run in runs)
    said = (
        f"harness, at worst: the load generator took {client:.0%} of a core, everything on this "
        f"machine {machine:.1f} of {cores}; steps ended {1000 * lag:.1f} ms late"
    )
    warning = (
        f"\nin {full} of {len(runs)} runs the machine had no time to spare: latencies are its own "
        "there, and only what the servers counted can be compared"
    )
    return said + warning if full else said


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index > 1 else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
