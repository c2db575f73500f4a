"""An `up` that is killed at any moment: the next run finishes the job and nothing is left."""

import contextlib
import os
import random
import signal
import subprocess

import pytest
from engine.project import NewProject

pytestmark = pytest.mark.engine

UP_SECONDS = 20.0
"""About what an `up` takes on two cores, from the first word to the last pod's readiness."""


@pytest.mark.parametrize("seeds", [(first, first + 1) for first in range(0, 20, 2)], ids=str)
def test_after_two_kills_the_next_run_finishes_the_job_and_down_leaves_nothing(
    seeds: tuple[int, int], new_project: NewProject
) -> None:
    project = new_project()
    for seed in seeds:
        running = project.start("up")
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(random.Random(seed).uniform(0.2, UP_SECONDS))  # noqa: S311 - no secret
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        project.finish(running)

    finished = project.act("up")
    assert finished.code == 0, finished.said
    again = project.pulumi("up", "--yes", "--skip-preview")
    assert (again.code, again.touched) == (0, {}), again.said
    down = project.act("down")
    assert down.code == 0, down.said
    assert not project.cluster.exists()
    assert project.processes() == []
