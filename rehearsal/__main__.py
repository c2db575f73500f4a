"""`python -m rehearsal STACK`: see `rehearsal/__init__.py`."""

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import tools
from embedded.cluster import Cluster, ClusterError
from rehearsal.rehearse import SIMULATED, rehearse
from stack.problems import StackError
from tools import Missing, providers, rehearsals
from tools.places import Places, here

INTERRUPTED = 130


def main(words: Sequence[str], places: Places | None = None) -> int:
    """Print what a rehearsal shows; 0 when every object was taken and every pod placed."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description="Rehearses a stack.")
    parser.add_argument("stack", help="as in Pulumi.<stack>.yaml")
    places = places or here()
    stack: str = parser.parse_args(words).stack
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Ignored by nohup, on purpose.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    sys.stdout.write(f"{providers.decide(here()).notice}\n")
    sys.stdout.flush()
    try:
        with rehearsals.folder(stack, places) as folder:
            root = folder / rehearsals.CLUSTER
            cluster = Cluster(root=root, tools=tools.resolve, simulate=SIMULATED)
            return 0 if rehearse(stack, places, folder, cluster) else 1
    except StackError as problem:
        return _fail(problem.told(stack), 1)
    except (Missing, ClusterError) as problem:
        return _fail(f"rehearsal: {problem}", 1)
    except KeyboardInterrupt:
        return _fail("rehearsal: stopped; nothing of it is left", INTERRUPTED)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(text: str, code: int) -> int:
    sys.stderr.write(f"{text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
