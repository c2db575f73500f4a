"""Commands that the bench times: their failure is told, and none outlives it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bench import running
from bench.running import BenchError, seconds

pytestmark = pytest.mark.slow


def test_a_command_is_timed_from_its_start_to_its_end(tmp_path: Path) -> None:
    assert 0.2 <= seconds(["sleep", "0.2"], env=os.environ, cwd=tmp_path) < 5


def test_a_failure_quotes_the_command_and_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"`sh -c .*` failed:\n  \| no such pool"):
        seconds(["sh", "-c", "echo no such pool >&2; exit 3"], env=os.environ, cwd=tmp_path)


@pytest.mark.parametrize("stubborn", ["", "trap '' INT; "], ids=["yields", "ignores interrupts"])
def test_an_interrupted_bench_leaves_no_command_behind(
    stubborn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "GRACE_SECONDS", 0.3)
    pid = tmp_path / "pid"

    def interrupt() -> None:
        while not (pid.exists() and pid.read_text().strip()):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        seconds(
            ["sh", "-c", f"{stubborn}echo $$ > pid; while :; do sleep 0.05; done"],
            env=os.environ,
            cwd=tmp_path,
        )

    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_wrong_number_of_rounds_is_refused_before_anything_starts() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--rounds", "0"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "at least 1" in done.stderr
