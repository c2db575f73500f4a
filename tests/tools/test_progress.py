"""What is seen while waiting, and that nothing is left running."""

import io
import os
import time

import pytest

from tools import process
from tools.progress import HEARTBEAT_SECONDS, Progress, elapsed


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_without_a_terminal_silence_ends_after_the_heartbeat() -> None:
    out, clock = io.StringIO(), Clock()
    progress = Progress(out, clock)

    with progress.step("etcd"):
        for _ in range(95):
            clock.now += 1
            progress.pulse("compiling")

    assert HEARTBEAT_SECONDS == 30
    assert [line.split(maxsplit=1)[1] for line in out.getvalue().splitlines()] == [
        "compiling, 30 s",
        "compiling, 1 min 00 s",
        "compiling, 1 min 30 s",
    ]


def test_on_a_terminal_the_line_is_live_and_taken_back() -> None:
    out, clock = Terminal(), Clock()
    progress = Progress(out, clock)

    with progress.step("etcd"):
        progress.pulse("compiling")
        clock.now = 7
        progress.done("etcd", "built")

    assert "\n" not in out.getvalue().split("built")[0]
    assert out.getvalue().endswith("\r\033[K")
    assert " 7 s\n" in out.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.9, "59 s"), (187, "3 min 07 s")])
def test_times_are_written_for_people(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text


def test_a_programs_both_streams_and_code_are_kept() -> None:
    answer = process.run(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"])

    assert (answer.code, [*answer.lines]) == (3, ["out", "err"])


def test_only_the_last_lines_are_quoted() -> None:
    answer = process.run(["/bin/sh", "-c", "seq 100"])

    assert answer.tail().split() == [str(n) for n in range(89, 101)]


def test_an_interrupt_ends_the_program_and_its_children(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    file = tmp_path_factory.mktemp("pid") / "pid"

    def stop(_lines: object) -> None:
        if file.exists() and file.read_text().strip():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process.run(["/bin/sh", "-c", f"sleep 60 & echo $! > {file}; wait"], pulse=stop)

    assert _ends(int(file.read_text()))


def _ends(pid: int) -> bool:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        # An orphan that has ended stays a zombie where nobody adopts it.
        if " Z " in _stat(pid):
            return True
        time.sleep(0.01)
    return False


def _stat(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - gone at any moment
            return file.read()
    except FileNotFoundError:
        return ""
