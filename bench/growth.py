"""How planning and previewing grow with a stack's models: flat, if each adds as much as the last.

In processor time, which hardly changes with what else the machine does: one preview is enough.
"""

import itertools
import json
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.stage import ROOT, Stack
from components import clusters, gateways
from stack import config, planner

COUNTS = (1, 10, 100)


@dataclass(frozen=True)
class Growth:
    """Processor seconds of one command, by number of models."""

    name: str
    seconds: Mapping[int, float]

    @property
    def each(self) -> dict[int, float]:
        """What each model has cost that came after those of the count before."""
        return {
            after: (self.seconds[after] - self.seconds[before]) / (after - before)
            for before, after in itertools.pairwise(self.seconds)
        }


def measured() -> list[Growth]:
    """Give the plan's alone, and the whole preview's: engine, program and providers."""
    return [
        Growth("plan", {count: min(_planning(said(count)) for _ in range(3)) for count in COUNTS}),
        Growth("preview", {count: _previewing(said(count), count) for count in COUNTS}),
    ]


def said(count: int) -> dict[str, Any]:
    """Give a stack of so many models, on a cluster that is only ever previewed."""
    return {
        "cluster": {
            "kind": "embedded",
            "nodes": {"count": count, "cpu": "16", "memory": "64Gi"},
        },
        "hardware": "simulated",
        "models": [{"name": f"someone/model-{one}", "id": f"m{one}"} for one in range(count)],
        "monitoring": {"prometheus": "install"},
    }


def table(found: Sequence[Growth]) -> str:
    """Seconds by number of models, and what each model more has cost."""
    lines = [("", "processor s", "a model more")]
    for one in found:
        lines += [
            (
                f"{one.name}: {count} models",
                f"{seconds:.2f}",
                f"{one.each[count]:.4f}" if count in one.each else "",
            )
            for count, seconds in one.seconds.items()
        ]
    return "\n".join(f"{name:20}{seconds:>12}{each:>14}".rstrip() for name, seconds, each in lines)


def _planning(blocks: Mapping[str, Any]) -> float:
    """From the stack file's text, as the program gets it, to the plan."""
    text = json.dumps(blocks)
    kinds = clusters.kinds()
    shape = config.stack_with((kind.settings for kind in kinds.values()), gateways.kinds())
    began = time.process_time()
    planner.plan(
        shape.model_validate(json.loads(text)),
        name="bench",
        secrets=frozenset(),
        clusters=kinds,
        gateways=gateways.kinds(),
    )
    return time.process_time() - began


def _previewing(blocks: Mapping[str, Any], count: int) -> float:
    project = {f"llm-d:{key}": value for key, value in blocks.items()}
    stack = Stack.create(f"bench-{count}-models", ROOT, project)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    stack.act("preview")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
