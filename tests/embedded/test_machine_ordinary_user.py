"""The same for who is not root: in a user namespace, where the kernel gives one."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ordinary
import pytest
from agent_machines import POD, left_of, said_by

from embedded.agent.linux import PROJECT, Linux

NOBODY = 65534
OTHER: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
SYSTEM_PYTHON = "/usr/bin/python3"

AGENT = """
import json, sys, time
from pathlib import Path
from embedded.agent.linux import Linux
from embedded.agent.machine import *
root = Path(sys.argv[1])
machine = Linux(root)
machine.open()
machine.add_pod("a", "10.64.0.1")
machine.add_pod("b", "10.64.0.2")
mount = Mount(source=root, target="/data", read_only=False)
def start(pod, *argv):
    machine.start(pod, "c", Program(
        argv=argv, env={}, directory="/", user=65532, group=101, groups=(2000,), mounts=(mount,),
        read_only_root=True, log=root / f"{pod}.log",
    ))
start("a", "sh", "-c", "touch /data/made; ! touch /a; cat /proc/self/status; exit 3")
start("b", "/usr/bin/python3", "-m", "http.server", "80")
at = Endpoint(Side.PODS, "10.64.0.2", 80)
for _ in range(500):
    said = machine.check_http(at, "/", {}, 1)
    if said is None and isinstance(machine.state("a", "c"), Ended):
        break
    time.sleep(0.01)
code = machine.state("a", "c").code
machine.close()
print(json.dumps({"http": said, "code": code, "log": (root / "a.log").read_text()}))
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may enter, unlike a test's own, with the machine's code in it."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        shutil.copytree(PROJECT / "embedded", place / "embedded")
        (place / "machine").mkdir()
        for each in (place, place / "machine"):
            each.chmod(0o755)
        if os.geteuid() == 0:
            os.chown(place / "machine", NOBODY, NOBODY)
        yield place
        Linux(place / "machine").close()


def as_ordinary_user(place: Path) -> Any:
    done = subprocess.run(  # noqa: S603 - our own words
        [SYSTEM_PYTHON, "-c", AGENT, str(place / "machine")],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        **(OTHER if os.geteuid() == 0 else {}),
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_ordinary_user_has_pods_with_users_of_their_own(place: Path) -> None:
    told = as_ordinary_user(place)

    status = {
        name: text.split() for name, _, text in (x.partition(":") for x in told["log"].splitlines())
    }
    assert told["http"] is None
    assert told["code"] == 3
    assert status["Uid"] == ["65532"] * 4
    assert status["Gid"] == ["101"] * 4
    assert int(status["CapEff"][0], 16) == 0
    assert int(status["CapBnd"][0], 16) == 0
    assert status["NoNewPrivs"] == ["1"]
    assert (place / "machine" / "made").exists()
    assert sorted(file.name for file in (place / "machine").iterdir()) == [
        "a.log", "b.log", "made"
    ]  # fmt: skip
    assert not left_of(place / "machine")


TRIES = """
import sys
from pathlib import Path
from embedded.agent.linux import Linux
from embedded.agent.machine import MachineError
try:
    Linux(Path(sys.argv[1])).open()
except MachineError as error:
    print(error)
"""


def test_where_the_kernel_gives_no_namespaces_it_names_the_setting(root: Path) -> None:
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, ordinary.__file__, ordinary.ALONE, sys.executable, "-c", TRIES, str(root)],
        cwd=PROJECT,
        env={"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == (
        f"{ordinary.LIMIT} is 0, so this kernel gives ordinary users no namespaces:"
        " change it, or run as root\n"
    ), done.stderr
    assert not left_of(root)


def test_where_the_kernel_gives_no_network_it_says_why(machine: Linux, root: Path) -> None:
    """In a container, /proc/sys is read-only: a machine cannot be made there."""
    inner = Linux(root, trees=(PROJECT / "embedded", Path(sys.prefix), Path(sys.base_prefix)))

    said = said_by(
        inner,
        root,
        f'exec {sys.executable} -c "$TRIES" /tmp/m',
        env={"TRIES": TRIES, "PYTHONPATH": str(PROJECT), "PATH": "/usr/bin:/bin"},
        read_only_root=False,
    )

    assert machine.pods() == {POD: "10.64.0.1"}
    assert said == (
        "pods cannot have a network here: [Errno 30] Read-only file system:"
        " '/proc/sys/net/ipv4/ip_nonlocal_bind'\n"
    )
