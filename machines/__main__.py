"""`python3 -m machines ACTION`: what the stack's Command runs, see `machines/__init__.py`."""

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from machines.lifecycle import Lifecycle
from machines.settings import Settings
from tools.architecture import architecture
from tools.errors import Missing

ACTIONS = "up, start, stop, down, status, forget"
INTERRUPTED = 130


def main(action: str) -> None:
    cluster = Lifecycle(
        root=Path(os.environ["LLMD_CLUSTER_ROOT"]).absolute(),
        platform=sys.platform,
        architecture=architecture(),
    )
    match action:
        case "up":
            settings = Settings.of(json.loads(os.environ["LLMD_CLUSTER_SETTINGS"]))
            sys.stdout.write(cluster.up(settings))
        case "start":
            cluster.start()
        case "stop":
            cluster.stop()
        case "down":
            cluster.down(os.environ.get("LLMD_CLUSTER_RETAIN"))
        case "status":
            sys.stdout.write(json.dumps(cluster.status()))
        case "forget":
            cluster.forget()
        case _:
            sys.exit(f"python3 -m machines: `{action}`, expected one of {ACTIONS}")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "")
    except Missing as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
