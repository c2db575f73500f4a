"""How a check ended, and how that reads."""

import textwrap
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from plugins.kubernetes.access import UnreachableError
from plugins.kubernetes.errors import ApiError


class Hop(StrEnum):
    """Where a request is on its way; the API server stands beside the way."""

    API = "API server"
    CLIENT = "client"
    GATEWAY = "gateway"
    PICKER = "endpoint picker"
    POOL = "pool"
    SERVER = "model server"


@dataclass(frozen=True)
class Passed:
    seen: str


@dataclass(frozen=True, kw_only=True)
class Failed:
    hop: Hop
    seen: str
    expected: str
    cause: str
    next: str
    """The command to run."""


@dataclass(frozen=True)
class NotTried:
    because: str


Found = Passed | Failed


class OutOfTimeError(BaseException):
    """The whole test has taken too long; like an interrupt, nobody on the way may swallow it."""


@dataclass(frozen=True)
class Check:
    name: str
    needs: frozenset[str]
    """Names of the checks without which this one would only repeat their failure."""
    look: Callable[[], Found]
    way_out: str
    """The command to run when it is the API server that fails."""


@dataclass(frozen=True)
class Result:
    name: str
    found: Found | NotTried
    seconds: float


def run(checks: Iterable[Check], passed: set[str]) -> Iterator[Result]:
    """Try each check whose needs have passed; adds to `passed` the names of those that do.

    When time is up the rest is told as not tried, and OutOfTimeError goes on to the caller.
    """
    over: OutOfTimeError | None = None
    for check in checks:
        lacking = next((need for need in sorted(check.needs) if need not in passed), None)
        if over or lacking:
            reason = "the time is up" if over else f"needs `{lacking}`"
            yield Result(check.name, NotTried(reason), 0.0)
            continue
        begun = time.monotonic()
        found: Found | NotTried
        try:
            found = _looked(check)
        except OutOfTimeError as error:
            over = error
            found = NotTried("cut short, the time is up")
        if isinstance(found, Passed):
            passed.add(check.name)
        yield Result(check.name, found, time.monotonic() - begun)
    if over:
        raise over


def _looked(check: Check) -> Found:
    try:
        return check.look()
    except UnreachableError as error:
        return _api(str(error), "the cluster does not run, or no longer there", check)
    except ApiError as error:
        forbidden = "your account may not do this" if error.forbidden else "the request was refused"
        return _api(str(error), forbidden, check)


def _api(seen: str, cause: str, check: Check) -> Failed:
    expected = "an answer of the API server"
    return Failed(hop=Hop.API, seen=seen, expected=expected, cause=cause, next=check.way_out)


_WIDTH = 17
_WAY = (Hop.CLIENT, Hop.GATEWAY, Hop.PICKER, Hop.POOL, Hop.SERVER)


def line(result: Result) -> str:
    """One line; a failure has four more below it."""
    name = f"{result.name:<{_WIDTH}}"
    match result.found:
        case Passed(seen):
            return f"ok      {name} {_short(seen)}  ({result.seconds:.2f} s)"
        case NotTried(because):
            return f"-       {name} not tried: {because}"
        case Failed() as failed:
            told = {
                "hop": way(failed.hop),
                "expected": failed.expected,
                "cause": failed.cause,
                "next": failed.next,
            }
            first = f"FAILED  {name} {_short(failed.seen)}  ({result.seconds:.2f} s)"
            return "\n".join([first, *(f"        {key:<9} {text}" for key, text in told.items())])


def way(hop: Hop) -> str:
    """The request's way, with the hop that fails in brackets."""
    if hop is Hop.API:
        return f"[{hop}]"
    return " → ".join(f"[{one}]" if one is hop else one for one in _WAY)


def _short(text: str) -> str:
    return textwrap.shorten(text, 240, placeholder=" …")
