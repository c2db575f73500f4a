"""python3 -m tools COMMAND: see `tools/__init__.py` and `make help`."""

import argparse
import errno
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from tools import clean, doctor, install, logs, providers, shell, stack
from tools.errors import Missing
from tools.places import here

INTERRUPTED = 130
NOT_FOUND = 127

_ELSEWHERE = "or set XDG_CACHE_HOME to a folder elsewhere"
_MENDED_BY = {
    errno.ENOSPC: f"free some space, {_ELSEWHERE}",
    errno.EDQUOT: f"free some space, {_ELSEWHERE}",
    errno.EACCES: f"make it writable for you, {_ELSEWHERE}",
    errno.EROFS: f"work on a disk that can be written, {_ELSEWHERE}",
}

STACK = "embedded"
"""The one that needs nothing but this machine."""
PACKAGES = {
    "dashboard": "telemetry",
    "preflight": "preflight",
    "rehearse": "rehearsal",
    "smoke": "smoke",
}
"""What is done in the virtual environment, by packages of the project."""


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; its exit code. Every failure is a few lines with a way out."""
    asked = _parser().parse_args(words)
    # SIGINT too: a shell's background job ignores it, children inherit that, and Pulumi's plugins
    # then miss their end, for which the engine waits five seconds each time.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Ignored by nohup, on purpose.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        return _run(asked)
    except Missing as problem:
        return _fail(str(problem))
    except KeyboardInterrupt:
        _fail("stopped; nothing half-made is left, and the next run goes on from here")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as problem:
        if os.environ.get("LLMD_TOOLS_DEBUG"):
            raise
        return _fail(_unexpected(problem))


def _unexpected(problem: Exception) -> str:
    """Say what went wrong where nobody foresaw it; a file's trouble mostly explains itself."""
    if isinstance(problem, OSError) and problem.filename:
        way_out = _MENDED_BY.get(problem.errno or 0, "LLMD_TOOLS_DEBUG=1 shows where")
        return f"{problem.filename}: {problem.strerror}\n  way out: {way_out}"
    said = str(problem) or "no further word"
    return f"{type(problem).__name__}: {said}\n  way out: LLMD_TOOLS_DEBUG=1 shows where"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m tools", description="The project's tools.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    making = commands.add_parser("install", help="put every tool in place (make tools)")
    making.add_argument("names", nargs="*", metavar="NAME", help=", ".join(install.EVERYTHING))
    making.add_argument("--all", action="store_true", help="those that few stacks need, too")
    commands.add_parser("doctor", help="what is there, and what mends the rest")
    commands.add_parser("env", help='variables for a shell: eval "$(python3 -m tools env)"')
    running = commands.add_parser("run", help="run a command with the tools on PATH")
    running.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    for action in ("up", "preview", "down"):
        acting = commands.add_parser(action, help=f"{action} a stack (make {action})")
        acting.add_argument("stack", nargs="?", default=STACK)
        acting.add_argument(
            "--monitoring", action="store_true", help="as if its file had a Prometheus installed"
        )
        if action == "down":
            acting.add_argument(
                "--keep", default="", help="of the stack's own cluster: nothing, stopped, running"
            )
    looking = commands.add_parser(
        "preflight", help="what this machine has of what a stack needs (make preflight)"
    )
    looking.add_argument("stack", nargs="?", default=STACK)
    asking = commands.add_parser("smoke", help="ask a deployed stack, hop by hop (make smoke)")
    asking.add_argument("stack", nargs="?", default=STACK)
    rehearsing = commands.add_parser(
        "rehearse", help="deploy a stack to simulated nodes and take it down (make rehearse)"
    )
    rehearsing.add_argument("stack", nargs="?", default=STACK)
    drawing = commands.add_parser(
        "dashboard", help="draw what a stack's Prometheus has seen (make dashboard)"
    )
    drawing.add_argument("stack", nargs="?", default=STACK)
    reading = commands.add_parser("logs", help="what the embedded cluster's pods say (make logs)")
    reading.add_argument("stack", nargs="?", default=STACK)
    reading.add_argument("pod", nargs="?", default="", help="how the pods' names begin")
    reading.add_argument("-f", "--follow", action="store_true", help="go on as they say more")
    commands.add_parser("clean", help="remove what can be made again (make clean)")
    return parser


def _run(asked: argparse.Namespace) -> int:  # noqa: PLR0911 - one for each command
    match asked.command:
        case "install":
            usual = install.EVERYTHING if asked.all else install.embedded()
            return _install(tuple(asked.names) or usual)
        case "env":
            sys.stdout.write(shell.exports(here()))
            return 0
        case "run":
            words: list[str] = asked.words
            return _replace_by(words[1:] if words[:1] == ["--"] else words)
        case "doctor":
            return doctor.main()
        case "clean":
            return clean.main()
        case "logs":
            return logs.main(asked.stack, asked.pod, follow=asked.follow, places=here())
        case _:
            return _on_stack(asked)


def _on_stack(asked: argparse.Namespace) -> int:
    action, name = asked.command, asked.stack
    monitoring = getattr(asked, "monitoring", False)
    stack.check(name, here())
    # What a control plane on this machine runs need not be there to be looked for.
    own_cluster = action == "rehearse" or (
        action != "preflight" and stack.has_own_cluster(name, here())
    )
    options = stack.options(name, here())
    if monitoring:
        options.add("prometheus")
    install.ensure(install.embedded(options) if own_cluster else install.EVERY_STACK)
    if package := PACKAGES.get(action):
        return _replace_by(["python", "-m", package, name])
    return stack.main(action, name, monitoring=monitoring, keep=getattr(asked, "keep", ""))


def _install(names: Sequence[str]) -> int:
    install.ensure(names)
    if install.VENV in names and "pulumi" in names:
        sys.stdout.write(f"{providers.decide(here()).notice}\n")
    return 0


def _replace_by(words: Sequence[str]) -> int:
    """Become the command, so that signals and exit code are its own; come back if that fails."""
    if not words:
        raise Missing("run", "no command given", way_out="python3 -m tools run -- COMMAND")
    try:
        os.execvpe(words[0], [*words], shell.environment())  # noqa: S606 - what the user asked for
    except OSError as problem:
        _fail(f"{shlex.quote(words[0])}: {problem.strerror}\n  way out: `make doctor`")
        return NOT_FOUND


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(text: str) -> int:
    sys.stderr.write(f"tools: {text}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
