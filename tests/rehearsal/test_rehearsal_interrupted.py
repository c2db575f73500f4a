"""A rehearsal that is ended at any time: nothing of it is left, at once or after the next word."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from engine.project import EMBEDDED, Project
from recording import ROOT

from rehearsal.__main__ import INTERRUPTED
from tools import rehearsals
from tools.places import Places, here

pytestmark = pytest.mark.engine

REHEARSE = """
import sys
from pathlib import Path
from rehearsal.__main__ import main
from tools.places import Places, here
sys.exit(main(["tried"], Places(root=Path(sys.argv[1]), cache=here().cache)))
"""
SECONDS = 300.0


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "clone", "tried", EMBEDDED)


def started(project: Project, until: str) -> "subprocess.Popen[str]":
    """A rehearsal that has just said this."""
    running = subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", REHEARSE, project.root],
        cwd=ROOT,
        env=project.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stdout
    said: list[str] = []
    for line in running.stdout:
        said.append(line)
        if line.startswith(until):
            return running
    raise AssertionError("".join(said))


def left(project: Project) -> list[str]:
    there = (project.root / ".state" / "rehearsals").iterdir()
    return [*project.processes(), *(path.name for path in there if path.suffix != ".lock")]


@pytest.mark.parametrize(("line", "seconds"), [("machines: ", 2.0), ("up ", 4.0), ("down ", 1.0)])
def test_what_a_killed_rehearsal_left_is_cleared_by_down_and_by_the_next(
    line: str, seconds: float, project: Project
) -> None:
    running = started(project, line)
    time.sleep(seconds)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    assert left(project)

    rehearsals.clear("tried", Places(root=project.root, cache=here().cache))

    assert left(project) == []


@pytest.mark.parametrize(
    ("number", "whom"),
    [(signal.SIGINT, os.killpg), (signal.SIGTERM, os.kill)],
    ids=["Ctrl-C", "terminated"],
)
def test_one_that_is_stopped_removes_everything_before_it_ends(
    number: signal.Signals, whom: Callable[[int, int], None], project: Project
) -> None:
    running = started(project, "up ")
    time.sleep(4.0)

    whom(running.pid, number)
    _, said = running.communicate(timeout=SECONDS)

    assert running.returncode == INTERRUPTED
    assert said == "rehearsal: stopped; nothing of it is left\n"
    assert left(project) == []
