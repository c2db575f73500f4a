"""A copy of this project in a folder of its own, deployed by the real engine."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

import tools
from tools.process import command_line

ROOT = Path(__file__).parents[2]
PROGRAM = (
    *("__main__.py", "Pulumi.yaml", "builder", "components", "embedded", "images", "machines"),
    *("preflight", "simulator", "stack", "telemetry", "tools"),
)
CRD_CACHE = ROOT / ".state" / "crds"
SECONDS = 600.0
OPERATIONS = {"up", "preview", "refresh", "destroy"}

EMBEDDED: dict[str, Any] = {
    "cluster": {"kind": "embedded"},
    "hardware": "simulated",
    "models": [{"name": "Qwen/Qwen3-0.6B", "replicas": 3}],
}
"""What the stack of the same name says, with names left to their defaults."""

ACT = """
import sys
from pathlib import Path
from tools.places import Places, here
from tools.stack import main
action, stack, root, keep = sys.argv[1:]
sys.exit(main(action, stack, Places(root=Path(root), cache=here().cache), keep=keep))
"""
"""`make up`, `make preview` and `make down`, for a project that does not lie in the clone."""


@dataclass(frozen=True)
class Ran:
    """How a command of Pulumi ended."""

    code: int
    said: str
    touched: Mapping[str, str] = field(default_factory=dict[str, str])
    """Name of each resource that did not stay the same -> what was done to it."""
    created: frozenset[str] = frozenset()
    """URNs of the resources that were made, or would be."""


@dataclass(frozen=True)
class Project:
    root: Path
    stack: str

    @classmethod
    def create(cls, root: Path, stack: str, config: Mapping[str, Any]) -> "Project":
        root.mkdir(parents=True)
        for part in PROGRAM:
            (root / part).symlink_to(ROOT / part)
        (root / ".state").mkdir()
        (root / ".state" / "crds").symlink_to(CRD_CACHE)
        (root / ".state" / "bin").symlink_to(ROOT / ".state" / "bin")  # where charts are
        CRD_CACHE.mkdir(parents=True, exist_ok=True)
        (root / "backend").mkdir()
        made = cls(root, stack)
        made.write(config)
        return made

    @property
    def env(self) -> dict[str, str]:
        return tools.environment() | {
            "PULUMI_BACKEND_URL": f"file://{quote(str(self.root / 'backend'))}",
            "PULUMI_CONFIG_PASSPHRASE": "",
            "KUBECONFIG": os.devnull,
            # Shows the flag that writes down every event of an update.
            "PULUMI_DEBUG_COMMANDS": "true",
        }

    @property
    def cluster(self) -> Path:
        return self.root / ".state" / "clusters" / self.stack

    @property
    def kubeconfig(self) -> Path:
        return self.cluster / "kubeconfig"

    def write(self, config: Mapping[str, Any]) -> None:
        said = {f"llm-d:{key}": value for key, value in config.items()}
        (self.root / f"Pulumi.{self.stack}.yaml").write_text(yaml.safe_dump({"config": said}))

    def act(self, action: str, *, through: Sequence[str | Path] = (), keep: str = "") -> Ran:
        """`make up`, `make preview` or `make down`, to its end, run by the command `through`."""
        return self.finish(self.start(action, through=through, keep=keep))

    def start(
        self, action: str, *, through: Sequence[str | Path] = (), keep: str = ""
    ) -> "subprocess.Popen[str]":
        return subprocess.Popen(  # noqa: S603 - our own words
            [*through, sys.executable, "-c", ACT, action, self.stack, self.root, keep],
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def finish(self, running: "subprocess.Popen[str]") -> Ran:
        try:
            said, _ = running.communicate(timeout=SECONDS)
        except BaseException:
            os.killpg(running.pid, signal.SIGKILL)
            raise
        return Ran(running.returncode, said)

    def pulumi(self, *words: str) -> Ran:
        """A command of `pulumi` itself, and what it did to each resource."""
        events = self.root / "events.json"
        events.unlink(missing_ok=True)
        file = self.root / f"Pulumi.{self.stack}.yaml"
        if "encryptionsalt:" not in file.read_text():
            # `make` had the salt put into a copy.
            file = self.root / ".state" / "config" / file.name
        done = subprocess.run(  # noqa: S603 - our own words
            [
                *("pulumi", *words, "--stack", self.stack, "--non-interactive"),
                *(("--config-file", file, "--event-log", events) if words[0] in OPERATIONS else ()),
            ],
            cwd=self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        return Ran(done.returncode, done.stdout, *_outcome(events))

    def outputs(self) -> dict[str, Any]:
        return json.loads(self.pulumi("stack", "output", "--json").said)

    def kubectl(self, *words: str) -> str:
        return subprocess.run(  # noqa: S603 - our own words
            [tools.resolve("kubectl"), f"--kubeconfig={self.kubeconfig}", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def processes(self) -> list[str]:
        """Command lines of this machine's processes that have to do with this project."""
        everyone = subprocess.run(
            ["ps", "-ax", "-o", "pid="],  # noqa: S607 - wherever it is
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        lines = (command_line(int(pid)) for pid in everyone)
        return [line for line in lines if str(self.root) in line]


NewProject = Callable[..., Project]
"""Makes a project for a stack; keywords change what the stack says."""


def _outcome(events: Path) -> tuple[dict[str, str], frozenset[str]]:
    lines = events.read_text().splitlines() if events.exists() else []
    # A preview tells each step before it, a refresh only after it.
    steps: list[dict[str, Any]] = [
        event[kind]["metadata"]
        for event in map(json.loads, lines)
        for kind in ("resourcePreEvent", "resOutputsEvent")
        if kind in event
    ]
    touched = {one["urn"].rsplit("::", 1)[-1]: one["op"] for one in steps if one["op"] != "same"}
    return touched, frozenset(one["urn"] for one in steps if one["op"] == "create")
