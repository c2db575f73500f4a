"""`python -m bench`: see `bench/__init__.py`."""

import argparse
import json
import os
import platform
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

from bench import growth, objects
from bench.figures import Comparison, Measured, Side, table, take_turns
from bench.running import BenchError
from bench.stage import (
    HOME,
    WORK,
    deployed_embedded,
    deployed_empty,
    kubectl,
    on_running_cluster,
    stage,
)
from embedded.cluster import ClusterError
from tools import Missing, providers, records
from tools.places import here

ROUNDS = 5
AIM = 2.5
"""A preview beside that of an empty program: what is left is ours to answer for."""
INTERRUPTED = 130

OURS = "the engine, our program and its two providers"
EMPTY = "the same engine and virtual environment, a program without a line, no provider"
PULUMI = (
    "`pulumi up --skip-preview` from an empty stack: starts engine, program and provider, orders "
    "the objects, waits for each until it is ready, and keeps a state"
)
KUBECTL = (
    "`kubectl apply --server-side` of the same objects, already rendered to JSON: definitions, "
    "then the rest, then `rollout status` of each workload and a ready endpoint of each Service; "
    "no program, no plan, no state"
)


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print and keep; the exit code says whether there are figures."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="How long it takes.")
    parser.add_argument("--rounds", type=_rounds, default=ROUNDS, help="default %(default)s")
    rounds: int = parser.parse_args(words).rounds
    # SIGINT too: where it is ignored, as in a shell's background, Pulumi's plugins would inherit
    # that, and each command would wait five seconds for them to heed it.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        about = _about()
        with stage():
            comparisons = [*_beside_an_empty_program(rounds), _beside_kubectl(rounds)]
            _tell(f"previewing {', '.join(map(str, growth.COUNTS))} models")
            grown = growth.measured()
    except (BenchError, ClusterError, Missing) as problem:
        return _fail(str(problem), 1)
    except KeyboardInterrupt:
        return _fail("stopped; nothing is left", INTERRUPTED)
    results = {
        **about,
        "rounds": rounds,
        "comparisons": [_plain(one) for one in comparisons],
        "growth": [{"name": one.name, "seconds": one.seconds, "each": one.each} for one in grown],
    }
    file = HOME / "results.json"
    file.write_text(json.dumps(results, indent=1) + "\n")
    tables = f"{table(comparisons)}\n\n{growth.table(grown)}"
    sys.stdout.write(f"{tables}\n\n{about['providers']['notice']}\n{file}\n")
    return 0


def _beside_an_empty_program(rounds: int) -> list[Comparison]:
    _tell("deploying the embedded stack and an empty program")
    ours, empty = deployed_embedded(), deployed_empty()
    found = [
        take_turns(
            name,
            Side("embedded stack", OURS, lambda action=action: ours.act(action)),
            Side("empty program", EMPTY, lambda action=action: empty.act(action)),
            rounds=rounds,
            aim=aim,
            tell=_tell,
        )
        for name, action, aim in (("preview", "preview", AIM), ("no-op up", "up", None))
    ]
    ours.act("down")
    return found


def _beside_kubectl(rounds: int) -> Comparison:
    _tell("starting a cluster")
    stack = on_running_cluster()
    stack.act("up")
    found = objects.steps(stack.objects(), WORK)
    objects.write(found, WORK)
    stack.act("down")

    def pulumi() -> float:
        kubectl(found.gone)
        took = stack.act("up")
        stack.act("down")
        return took

    def apply() -> float:
        kubectl(found.gone)
        took = sum(kubectl(words) for words in found.apply)
        for words in found.delete:
            kubectl(words)
        return took

    return take_turns(
        "first deployment",
        Side("pulumi up", PULUMI, pulumi),
        Side("kubectl apply", KUBECTL, apply),
        rounds=rounds,
        tell=_tell,
    )


def _about() -> dict[str, Any]:
    """Say what was measured with, and on what, before the measuring loads it."""
    places = here()
    decision = providers.decide(places)
    return {
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "load_before": os.getloadavg(),
            "writes_bytecode": not sys.dont_write_bytecode,
        },
        "versions": {
            "python": platform.python_version(),
            **{name: one.version for name, one in records.load(places).tools.items()},
        },
        "providers": {
            "whose": "the vendor's" if decision.vendor else "stand-ins",
            "versions": decision.versions,
            "notice": decision.notice,
        },
    }


def _plain(one: Comparison) -> dict[str, Any]:
    return {
        "name": one.name,
        "ratio": one.ratio,
        "aim": one.aim,
        "ours": _side(one.ours),
        "other": _side(one.other),
    }


def _side(one: Measured) -> dict[str, Any]:
    return {
        "name": one.name,
        "does": one.does,
        "median": one.median,
        "min": min(one.seconds),
        "max": max(one.seconds),
        "seconds": one.seconds,
    }


def _rounds(text: str) -> int:
    if (rounds := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return rounds


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _tell(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")


def _fail(text: str, code: int) -> int:
    _tell(text)
    return code


if __name__ == "__main__":
    sys.exit(main())
