"""`python -m smoke STACK`: see `smoke/__init__.py`."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType

from plugins.kubernetes.access import UnreachableError
from smoke import outputs
from smoke.cluster import connect
from smoke.findings import Failed, Hop, OutOfTimeError, Passed, Result, line, run
from smoke.outputs import OutputsError, Stack
from smoke.visit import API, Visit, api_server
from smoke.web import Web

SECONDS = 55.0
"""For everything: whoever runs this wants to know within a minute."""
INTERRUPTED = 130
KEY = "LLMD_API_KEY"


def main(words: Sequence[str]) -> int:
    """Print a line for each check; 0 when all have passed."""
    parser = argparse.ArgumentParser(prog="python -m smoke", description="Asks a deployed stack.")
    parser.add_argument("stack", help="as in Pulumi.<stack>.yaml")
    stack: str = parser.parse_args(words).stack
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    # The official client's thread behind a forwarded port dies of the end of either side.
    threading.excepthook = lambda _: None
    with bounded():
        return smoke(stack, os.environ.get(KEY) or None)


def smoke(stack: str, key: str | None) -> int:
    try:
        deployed = outputs.read(stack)
        return tell(deployed, results(deployed, key), key)
    except (OutputsError, OutOfTimeError) as problem:
        return _fail(str(problem), 1)
    except KeyboardInterrupt:
        return _fail("stopped", INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


@contextmanager
def bounded() -> Generator[None]:
    """Whatever hangs, be it Pulumi or a credentials program: OutOfTimeError strikes there."""
    before = signal.signal(signal.SIGALRM, _over)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def results(stack: Stack, key: str | None) -> Iterator[Result | str]:
    """All results, with the name of each model before its own."""
    try:
        cluster = connect(stack)
    except UnreachableError as problem:
        yield no_way_in(stack, problem)
        return
    passed: set[str] = set()
    yield from run([api_server(cluster, stack)], passed)
    with ExitStack() as opened:
        for model in stack.models:
            yield model.name
            visit = Visit(cluster, Web(key), stack, model, opened)
            yield from run(visit.checks(), {*passed})


def no_way_in(stack: Stack, problem: UnreachableError) -> Result:
    return Result(
        API,
        Failed(
            hop=Hop.API,
            seen=str(problem),
            expected=f"credentials for context `{stack.context}`",
            cause="the kubeconfig is not the one the stack was deployed with",
            next="kubectl config get-contexts",
        ),
        seconds=0.0,
    )


def tell(stack: Stack, told: Iterable[Result | str], key: str | None) -> int:
    """Print as it comes, without the key, which an answer may have echoed."""
    say(f"{stack.name}: context {stack.context}, namespace {stack.namespace}")
    well = True
    for one in told:
        if isinstance(one, Result):
            well = well and isinstance(one.found, Passed)
            text = line(one)
        else:
            text = f"\n{one}"
        say(text.replace(key, "…") if key else text)
    return 0 if well else 1


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _fail(text: str, code: int) -> int:
    sys.stderr.write(f"smoke: {text}\n")
    return code


def _over(_number: int, _frame: FrameType | None) -> None:
    raise OutOfTimeError(f"not done after {SECONDS:g} s")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
