"""`python -m telemetry STACK`: draws the overview of a stack whose Prometheus this machine runs."""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stack.picker_metrics import BUILT_HERE
from stack.plan import Metrics
from telemetry.asking import AskingError, Prometheus
from telemetry.boards.overview import board
from telemetry.picture import draw
from tools import Missing
from tools.places import here
from tools.stack import Pulumi, check

FILE = Path("overview.png")
MINUTES = 10
RATE_WINDOW = "1m"


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m telemetry", description="Draws dashboards.")
    parser.add_argument("stack", help="as in Pulumi.<stack>.yaml")
    parser.add_argument("--minutes", type=int, default=MINUTES, help="that it shows")
    parser.add_argument("--file", type=Path, default=FILE, help="where to (default: %(default)s)")
    asked = parser.parse_args(words)
    minutes: int = asked.minutes
    file: Path = asked.file
    try:
        _draw(asked.stack, minutes, file)
    except (AskingError, Missing) as problem:
        sys.stderr.write(f"dashboard: {problem}\n")
        return 1
    sys.stdout.write(f"{file}: the last {minutes} minutes\n")
    return 0


def _draw(stack: str, minutes: int, file: Path) -> None:
    check(stack, here())
    outputs = Pulumi(stack, here()).outputs()
    monitoring: Mapping[str, Any] = outputs.get("monitoring") or {}
    url = monitoring.get("prometheusUrl")
    if not url:
        raise Missing(
            f"stack {stack}",
            "this machine runs no Prometheus of it",
            way_out=f"make up STACK={stack} MONITORING=1",
        )
    variables = {
        "namespace": outputs["namespace"],
        "pool": ".+",
        "__rate_interval": RATE_WINDOW,
    }
    now = time.time()
    metrics = Metrics(picker=BUILT_HERE, proxies=None)
    draw(board(metrics), Prometheus(url), variables, now - 60 * minutes, now, file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
