"""`command:local` under the real engine."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from program import Program
from started_plugin import alive, eventually

pytestmark = pytest.mark.engine

LIFE = """
    import os
    import pulumi
    from pulumi_command import local

    class Parent(pulumi.ComponentResource):
        def __init__(self):
            super().__init__("test:index:Parent", "parent")
            self.child = local.Command(
                "child",
                create='echo "made $WHAT" | tee -a log; echo "$TOKEN" > token',
                delete='echo "gone $WHAT" >> log',
                environment={
                    "WHAT": os.environ["WHAT"],
                    "TOKEN": pulumi.Output.secret("hf_secret"),
                },
                triggers=[os.environ["WHAT"]],
                opts=pulumi.ResourceOptions(parent=self),
            )

    pulumi.export("said", Parent().child.stdout)
    pulumi.export("run", local.run_output(command="echo now").stdout)
"""


def test_a_command_lives_as_long_as_its_resource(tmp_path: Path) -> None:
    program = Program.written(tmp_path / "project", LIFE)
    log = tmp_path / "project/log"
    up = ("up", "--yes", "--skip-preview")

    preview = program.pulumi("preview", WHAT="one")
    ran_in_preview = log.exists()
    made = program.pulumi(*up, WHAT="one")
    again = program.pulumi(*up, "--expect-no-changes", WHAT="one")
    replaced = program.pulumi(*up, WHAT="two")
    state = program.state
    gone = program.pulumi("destroy", "--yes", "--skip-preview", WHAT="two")

    assert "hf_secret" not in state
    runs = (preview, made, again, replaced, gone)
    for ran in runs:
        assert ran.returncode == 0, ran.stdout
        assert "hf_secret" not in ran.stdout
    assert not ran_in_preview
    assert "now" in preview.stdout
    assert log.read_text().split("\n") == ["made one", "made two", "gone one", "gone two", ""]
    assert (tmp_path / "project/token").read_text() == "hf_secret\n"


LONG = """
    from pulumi_command import local

    local.Command("long", create='echo $$ > pids; sleep 60 & echo $! >> pids; wait')
"""


def interrupt(pid: int) -> None:
    os.kill(pid, signal.SIGINT)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("strike", [interrupt, kill])
def test_a_command_ends_with_its_engine(tmp_path: Path, strike: Callable[[int], None]) -> None:
    program = Program.written(tmp_path / "project", LONG)
    file = tmp_path / "project/pids"
    running = program.start("up", "--yes", "--skip-preview")
    assert eventually(lambda: file.exists() and len(file.read_text().split()) > 1, seconds=60)
    pids = [int(pid) for pid in file.read_text().split()]

    strike(running.pid)

    running.communicate(timeout=30)
    assert running.returncode != 0
    assert eventually(lambda: not any(map(alive, pids)))
