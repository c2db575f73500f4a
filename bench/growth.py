"""How planning and previewing grow with the models of a stack: flat, if each adds the same."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.stage import ROOT, Stack
from components import clusters, gateways
from stack import config, planner

COUNTS = (1, 10, 100)


@dataclass(frozen=True)
class Growth:
    """The seconds of one command, by number of models."""

    name: str
    seconds: Mapping[int, float]

    @property
    def each(self) -> Mapping[int, float]:
        """Seconds that each model more has cost, since the count before."""
        counts = [*self.seconds]
        return {
            after: (self.seconds[after] - self.seconds[before]) / (after - before)
            for before, after in zip(counts, counts[1:], strict=False)
        }


def measured(rounds: int) -> list[Growth]:
    """The fastest of all rounds counts: whatever else the machine does only adds to it."""
    stacks = {
        count: Stack.create(f"bench-{count}-models", ROOT, project(said(count))) for count in COUNTS
    }
    planning = {count: min(_planning(count) for _ in range(rounds)) for count in COUNTS}
    previewing = {
        count: min(one.act("preview") for _ in range(rounds)) for count, one in stacks.items()
    }
    return [Growth("plan", planning), Growth("preview", previewing)]


def said(count: int) -> dict[str, Any]:
    """A stack of so many models, on a cluster that is only ever previewed."""
    return {
        "cluster": {
            "kind": "embedded",
            "nodes": {"count": count, "cpu": "16", "memory": "64Gi"},
        },
        "hardware": "simulated",
        "names": {"postfix": "bench"},
        "models": [{"name": f"someone/model-{one}", "id": f"m{one}"} for one in range(count)],
        "monitoring": {"monitors": True},
    }


def project(blocks: Mapping[str, Any]) -> dict[str, Any]:
    """The blocks under the keys of a stack file."""
    return {f"llm-d:{key}": value for key, value in blocks.items()}


def table(found: list[Growth]) -> str:
    """Seconds by number of models, and what each model more has cost."""
    rows = [
        (f"{one.name}, {count} models", f"{seconds:.3f}", f"{one.each[count]:.4f}")
        if count in one.each
        else (f"{one.name}, {count} model", f"{seconds:.3f}", "")
        for one in found
        for count, seconds in one.seconds.items()
    ]
    lines = (("", "seconds", "a model more"), *rows)
    return "\n".join(f"{name:24}{seconds:>9}{each:>14}".rstrip() for name, seconds, each in lines)


def _planning(count: int) -> float:
    """From the stack file's text, as the program gets it, to the plan."""
    text = json.dumps(said(count))
    kinds = clusters.kinds()
    shape = config.stack_with((kind.settings for kind in kinds.values()), gateways.kinds())
    began = time.perf_counter()
    planner.plan(
        shape.model_validate(json.loads(text)),
        name="bench",
        secrets=frozenset(),
        clusters=kinds,
        gateways=gateways.kinds(),
    )
    return time.perf_counter() - began
