"""What the bench works with: a backend, stacks and a cluster of its own, and their removal."""

import contextlib
import fcntl
import json
import shutil
import signal
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import tools
from bench import objects, running
from embedded.cluster import CONTEXT, Cluster, Node
from stack.hardware import targets
from tools.stack import ACTIONS, objects_of

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".state" / "bench"
WORK = HOME / "work"

EMBEDDED = "bench-embedded"
ROUTING = "bench-routing"
"""Names of the stacks that have clusters of their own: they decide the folders of those."""


def clusters() -> list[Cluster]:
    """Give the one that the bench makes, and those that its stacks make."""
    clones = ROOT / ".state" / "clusters"
    roots = (WORK / "cluster", clones / EMBEDDED, clones / ROUTING)
    return [Cluster(root=root, tools=tools.resolve) for root in roots]


@contextlib.contextmanager
def stage() -> Generator[None]:
    """One bench at a time; it begins without what a killed one left, and leaves nothing."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise running.BenchError("another one is running in this clone") from None
        _clear()
        WORK.mkdir()
        try:
            yield
        finally:
            _clear()


def _clear() -> None:
    """Remove everything; who is impatient then has to wait."""
    interrupts = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.signal(number, signal.SIG_IGN) for number in interrupts]
    for cluster in clusters():
        cluster.down()
    shutil.rmtree(WORK, ignore_errors=True)
    for number, handler in zip(interrupts, handlers, strict=True):
        signal.signal(number, handler)


def environment() -> dict[str, str]:
    """Give the tools' environment, with a backend and a passphrase that are the bench's own."""
    own = {
        "PULUMI_BACKEND_URL": (WORK / "backend").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "",
        "KUBECONFIG": "/dev/null",
    }
    theirs = tools.environment()
    theirs.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
    return theirs | own


@dataclass(frozen=True)
class Stack:
    """A stack of the program in `project`, whose file lies in `folder`."""

    name: str
    project: Path
    folder: Path
    env: Mapping[str, str]

    @classmethod
    def create(cls, name: str, project: Path, config: Mapping[str, Any]) -> "Stack":
        """Have an empty stack; its file, with the salt that Pulumi adds, is no tracked one."""
        folder = WORK / "config" / name
        folder.mkdir(parents=True)
        (WORK / "backend").mkdir(exist_ok=True)
        (folder / "Pulumi.yaml").write_text((project / "Pulumi.yaml").read_text())
        (folder / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": dict(config)}))
        made = cls(name=name, project=project, folder=folder, env=environment())
        made.run("stack", "init", name, cwd=folder)
        return made

    def write(self, config: Mapping[str, Any]) -> None:
        """Have it say something else; the salt stays, which Pulumi reads its state with."""
        file = self.folder / f"Pulumi.{self.name}.yaml"
        before: dict[str, Any] = yaml.safe_load(file.read_text())
        file.write_text(yaml.safe_dump({**before, "config": dict(config)}))

    def act(self, action: str) -> float:
        """Take `up`, `preview` or `down` with the words that `make` has for it."""
        file = self.folder / f"Pulumi.{self.name}.yaml"
        return self.run(*ACTIONS[action], f"--stack={self.name}", f"--config-file={file}")

    def objects(self) -> Sequence[objects.Object]:
        """Give the Kubernetes objects of what is deployed."""
        file = self.folder / "exported.json"
        self.run("stack", "export", f"--stack={self.name}", f"--file={file}")
        return objects_of(json.loads(file.read_text()))

    def run(self, *words: str, cwd: Path | None = None) -> float:
        command = [tools.resolve("pulumi"), *words, "--non-interactive"]
        return running.seconds(command, env=self.env, cwd=cwd or self.project)


def deployed_embedded() -> Stack:
    """Deploy the `embedded` stack, under another name and so on a cluster of its own."""
    made = Stack.create(EMBEDDED, ROOT, _config())
    made.act("up")
    return made


def deployed_empty() -> Stack:
    """Deploy a program that says nothing, on the same engine and virtual environment."""
    project = WORK / "empty"
    project.mkdir()
    ours: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    runtime = {
        **ours["runtime"],
        "options": {**ours["runtime"]["options"], "virtualenv": str(ROOT / ".venv")},
    }
    (project / "Pulumi.yaml").write_text(yaml.safe_dump({"name": "empty", "runtime": runtime}))
    (project / "__main__.py").write_text("")
    made = Stack.create("bench-empty", project, {})
    made.act("up")
    return made


def on_running_cluster() -> Stack:
    """Have the `embedded` stack's models for a cluster that the bench starts; nothing deployed."""
    config = _config()
    target = targets()[config["llm-d:hardware"]]
    labels = {**target.node_labels, **target.node_selector}
    cluster, *_ = clusters()
    cluster.up(
        [Node(name=f"node-{index}", allocatable=target.node, labels=labels) for index in range(2)]
    )
    existing = {"kind": "existing", "context": CONTEXT, "kubeconfig": str(cluster.kubeconfig)}
    return Stack.create("bench-existing", ROOT, {**config, "llm-d:cluster": existing})


def kubectl(words: Sequence[str]) -> float:
    """Run a command against the bench's cluster."""
    cluster, *_ = clusters()
    where = (f"--kubeconfig={cluster.kubeconfig}", f"--cache-dir={WORK / 'kubectl'}")
    command = [tools.resolve("kubectl"), *where, *words]
    return running.seconds(command, env=environment(), cwd=WORK)


def _config() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "Pulumi.embedded.yaml").read_text())["config"]
