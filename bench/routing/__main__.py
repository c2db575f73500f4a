"""`python -m bench.routing`: see `bench/routing/__init__.py`."""

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType

from bench.routing import charts, report
from bench.routing.deployment import Stacked
from bench.routing.parameters import FULL, SEEDS, SHORT
from bench.routing.trial import run_all
from bench.running import BenchError
from bench.stage import HOME, stage
from embedded.cluster import ClusterError
from tools import Missing

INTERRUPTED = 130


def main(words: Sequence[str] | None = None) -> int:
    """Deploy, measure, print and keep; the exit code says whether there are figures."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.routing", description="What a choice of replica does."
    )
    parser.add_argument(
        "--short", action="store_true", help="two arms and one seed: whether it works at all"
    )
    short: bool = parser.parse_args(words).short
    trials, seeds = (SHORT, SEEDS[:1]) if short else (FULL, SEEDS)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    began = time.monotonic()
    machine = {
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load_before": os.getloadavg(),
    }
    try:
        with stage():
            _tell("deploying")
            deployment = Stacked([arm for trial in trials for arm in trial.arms])
            runs = run_all(trials, seeds, deployment, _tell)
    except (BenchError, ClusterError, Missing) as problem:
        sys.stderr.write(f"bench: {problem}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("bench: stopped; nothing is left\n")
        return INTERRUPTED
    folder = HOME / ("routing-short" if short else "routing")
    folder.mkdir(exist_ok=True)
    file = folder / "results.json"
    about = {"machine": machine, "seconds": round(time.monotonic() - began)}
    file.write_text(json.dumps({**about, **report.plain(runs, trials)}, indent=1) + "\n")
    pictures = charts.draw(runs, trials, folder)
    files = "\n".join(map(str, (file, *pictures)))
    sys.stdout.write(f"{report.text(runs, trials)}\n\n{files}\n")
    return 0


def _tell(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
