"""`up`, `preview` and `down` of a stack: Pulumi, after what an interrupted run left is put right.

A run that was killed can leave three things: a lock, operations that Pulumi does not know the end
of, and an embedded cluster without processes. `pulumi` alone reports each; here they are mended.
"""

import difflib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from types import FrameType
from typing import IO, Any
from urllib.parse import unquote, urlparse

from tools import clusters, images, own_cluster, providers, rehearsals, shell
from tools.errors import Missing
from tools.places import Places, here
from tools.process import command_line
from tools.telling import told

PROJECT = "llm-d"
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "up": ("up", "--yes", "--skip-preview", "--suppress-outputs"),
    "preview": ("preview",),
    "down": ("destroy", "--yes", "--skip-preview"),
}
COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
KIND_EMBEDDED = re.compile(
    r"""(?<![^\s{,"'])kind["']?\s*:\s*["']?embedded(?![^\s},"'])""",
)
PROVIDER = re.compile(r"""(?<![^\s{,"'])provider["']?\s*:\s*["']?([\w-]+)""")
INSTALLS_PROMETHEUS = re.compile(
    r"""(?<![^\s{,"'])prometheus["']?\s*:\s*["']?install(?![^\s},"'])""",
)
SECONDS = 300.0
"""For the short commands around the one that was asked for."""


def main(
    action: str,
    stack: str,
    places: Places | None = None,
    *,
    monitoring: bool = False,
    keep: str = "",
) -> int:
    """Run `action` on `stack`; Pulumi's exit code.

    With `monitoring`, as if the stack's file said that a Prometheus is to be installed. `keep` is
    what `down` leaves of the stack's own cluster this time; empty, what the stack says.
    """
    places = places or here()
    check(stack, places)
    cluster = places.state / "clusters" / stack
    _refuse(keep, stack, cluster)
    sys.stdout.write(f"{providers.decide(here()).notice}\n")
    sys.stdout.flush()
    pulumi = Pulumi(stack, places)
    pulumi.select()
    more = pulumi.with_monitoring() if monitoring else ()
    if action != "preview":
        is_gone = cluster.exists() and not _has_it_run(cluster, pulumi, action, keep)
        pulumi.recover()
        if is_gone:
            pulumi.forget()
    if keep in {"running", "stopped"}:
        more = (*more, *pulumi.but_its_cluster())
    code = pulumi.stream(*ACTIONS[action], *more)
    if code:
        return code
    if action == "down":
        if cluster.exists():
            _leave(cluster, pulumi, keep)
        if (places.cache / "images").exists():
            images.sweep(stack, places, pulumi.env)
        rehearsals.clear(stack, places)
    if action == "up":
        sys.stdout.write(_told(cluster, pulumi))
    return 0


def _refuse(keep: str, stack: str, cluster: Path) -> None:
    """What cannot be left of the stack's cluster."""
    if keep not in {"", *own_cluster.KEEPS}:
        raise Missing(f"KEEP={keep}", "not known", way_out=f"one of {', '.join(own_cluster.KEEPS)}")
    if keep == "stopped" and not cluster.exists():
        raise Missing(
            f"KEEP={keep}",
            f"stack {stack} has no cluster on this machine",
            way_out="KEEP=running, and stop it by its owner's means",
        )


def _has_it_run(cluster: Path, pulumi: "Pulumi", action: str, keep: str) -> bool:
    """Start the stack's own cluster: what is on it can else neither be read nor removed.

    False where it is gone, or another one by now: nothing that the state has is on it.
    """
    if not clusters.is_of_a_tool(cluster):
        if (cluster / "complete").exists():
            clusters.act("start", cluster, pulumi.places, pulumi.env)
        return True
    said: dict[str, Any] = json.loads(clusters.act("status", cluster, pulumi.places, pulumi.env))
    match said["is"]:
        case "gone" | "another":
            sys.stdout.write(f"the stack's cluster is {said['is']}: what was on it is forgotten\n")
            sys.stdout.flush()
            clusters.act("forget", cluster, pulumi.places, pulumi.env)
            return False
        case "stopped" if action == "up" or keep or not said["goesAlong"]:
            clusters.act("start", cluster, pulumi.places, pulumi.env)
            return True
        case _:
            return True


def _leave(cluster: Path, pulumi: "Pulumi", keep: str) -> None:
    """What `down` leaves of the stack's own cluster, whether or not Pulumi has written it down."""
    if keep == "running":
        return
    if keep == "stopped":
        clusters.act("stop", cluster, pulumi.places, pulumi.env)
        return
    once = {"LLMD_CLUSTER_RETAIN": keep} if keep else {}
    clusters.act("down", cluster, pulumi.places, pulumi.env | once)


def _told(cluster: Path, pulumi: "Pulumi") -> str:
    if not cluster.exists() or clusters.is_of_a_tool(cluster):
        return told(pulumi.outputs())
    said = clusters.act("troubles", cluster, pulumi.places, pulumi.env)
    found: dict[str, Any] = json.loads(said)
    return told(pulumi.outputs(), simulated=bool(found["simulated"]), troubles=found["troubles"])


class Pulumi:
    """The `pulumi` command, for one stack of this project."""

    def __init__(self, stack: str, places: Places) -> None:
        self.stack = stack
        self.places = places
        self.env = shell.environment()
        self.file = places.root / f"Pulumi.{stack}.yaml"
        self.interrupted = False
        """Whether the user wanted a command to end, of those that were streamed."""

    def select(self) -> None:
        """Have the stack, and its file with a salt, without writing into a tracked file.

        Pulumi keeps the salt of a passphrase in the stack file. A stack that has none of its own
        yet gets one beside its state; `pulumi config set --secret` still writes to the file.
        """
        said = self.file.read_text()
        if "encryptionsalt:" in said or "secretsprovider:" in said:
            self._init(self.places.root)
            return
        folder = self.places.state / "config"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Pulumi.yaml").write_text((self.places.root / "Pulumi.yaml").read_text())
        with_salt = folder / self.file.name
        before = with_salt.read_text() if with_salt.exists() else ""
        salt = [line for line in before.splitlines() if line.startswith("encryptionsalt:")]
        _write(with_salt, "\n".join([said.rstrip("\n"), *salt, ""]))
        self._init(folder)
        self.file = with_salt

    def with_monitoring(self) -> tuple[str, ...]:
        """Words that have a Prometheus installed, without writing into a tracked file."""
        copy = self.places.state / "config" / self.file.name
        if copy != self.file:
            copy.parent.mkdir(parents=True, exist_ok=True)
            _write(copy, self.file.read_text())
            self.file = copy
        return ("--config-path", "--config", f"{PROJECT}:monitoring.prometheus=install")

    def _init(self, folder: Path) -> None:
        for path in half_written(self.env.get("PULUMI_BACKEND_URL", ""), self.stack):
            path.unlink(missing_ok=True)
        self._expect("--cwd", str(folder), "stack", "select", "--create", self.stack)

    def recover(self) -> None:
        """Take a dead run's lock away, and settle what it had begun."""
        if self._locked():
            self._expect("cancel", "--yes", "--stack", self.stack)
        state = self._export()
        state["deployment"], adopted, pending = settle(state.get("deployment") or {})
        if not pending:
            return
        sys.stdout.write(f"settling {pending} operation(s) of a run that was cut short\n")
        sys.stdout.flush()
        self._import(state)
        targets = [f"--target={one['urn']}" for one in adopted]
        if targets and self.stream("refresh", "--yes", "--skip-preview", *targets):
            raise Missing(
                f"stack {self.stack}",
                "what the last run had begun could not be settled",
                way_out="mend what `pulumi refresh` says above, and run this again",
            )
        if targets:
            state = self._export()
            state["deployment"] = unawaited(state["deployment"], {one["urn"] for one in adopted})
            self._import(state)

    def forget(self) -> None:
        """Strike out of the state what was on a cluster that is gone, and the cluster."""
        state = self._export()
        state["deployment"] = own_cluster.forgotten(state.get("deployment") or {})
        self._import(state)

    def but_its_cluster(self) -> list[str]:
        """Words that have `destroy` leave the stack's own cluster alone."""
        deployment: dict[str, Any] = self._export().get("deployment") or {}
        return [f"--exclude={urn}" for urn in own_cluster.owners(deployment)]

    def outputs(self) -> dict[str, Any]:
        """What the program exports; secrets among it are masked."""
        return json.loads(self._expect("stack", "output", "--json", "--stack", self.stack))

    def objects(self) -> list[dict[str, Any]]:
        """Give the Kubernetes objects of what is deployed; what is secret is not readable."""
        return objects_of(self._export())

    def _export(self) -> dict[str, Any]:
        return json.loads(self._expect("stack", "export", "--stack", self.stack))

    def _import(self, state: Mapping[str, Any]) -> None:
        file = self.places.state / "config" / f"{self.stack}.settled.json"
        _write(file, json.dumps(state))
        self._expect("stack", "import", "--stack", self.stack, "--file", str(file))
        file.unlink()

    def _locked(self) -> bool:
        """Whether a lock is left of a run that is dead; Missing while one is alive."""
        state = on_disk(self.env.get("PULUMI_BACKEND_URL", ""))
        if state is None:
            return False
        folder = state / "locks" / "organization" / PROJECT
        owners = [json.loads(lock.read_text()) for lock in (folder / self.stack).glob("*.json")]
        for owner in owners:
            host, pid = owner["hostname"], int(owner["pid"])
            if host != socket.gethostname() or "pulumi" in command_line(pid):
                raise Missing(
                    f"stack {self.stack}",
                    f"process {pid} on {host} is working on it",
                    way_out="wait until it is done, or end it; if there is none, "
                    f"`pulumi cancel --stack {self.stack}`",
                )
        return bool(owners)

    def stream(self, *words: str, out: IO[str] | None = None) -> int:
        """Run to the end, the user reading along unless it goes to `out`.

        A signal to us is one to Pulumi.
        """
        command = ["pulumi", *words, "--stack", self.stack, f"--config-file={self.file}"]
        with subprocess.Popen(  # noqa: S603 - our words
            command, cwd=self.places.root, env=self.env, stdout=out, stderr=out
        ) as child:
            # A handler and not SIG_IGN, which the next child would inherit.
            def wait(_number: int, _frame: FrameType | None) -> None:
                self.interrupted = True

            def interrupt(_number: int, _frame: FrameType | None) -> None:
                self.interrupted = True
                child.send_signal(signal.SIGINT)

            # Ctrl-C reaches Pulumi by itself; it then ends what it has begun, and we wait for it.
            before = {signal.SIGINT: signal.signal(signal.SIGINT, wait)}
            for number in (signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) != signal.SIG_IGN:
                    before[number] = signal.signal(number, interrupt)
            try:
                return child.wait()
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _expect(self, *words: str) -> str:
        """What a command prints that has to work."""
        done = subprocess.run(  # noqa: S603 - our words, and no shell reads them
            ["pulumi", *words, "--non-interactive"],  # noqa: S607 - on the PATH that we made
            cwd=self.places.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            raise Missing(
                f"pulumi {words[0]}",
                f"failed for the stack {self.stack}",
                said=done.stderr.strip(),
                way_out="mend what it says; `make doctor` shows what the tools lack",
            )
        return done.stdout


def settle(
    deployment: Mapping[str, Any],
) -> tuple[Mapping[str, Any], list[dict[str, Any]], int]:
    """A state without pending operations, the objects it has in their place, and how many it had.

    Whether an object was made is the cluster's to say: it is taken into the state as if it had
    been, and a refresh drops it if it is not there. What is no object is made again.
    """
    pending: list[dict[str, Any]] = deployment.get("pending_operations") or []
    adopted = [one for one in map(adopt, pending) if one]
    # There are none when a run was cut short at its first.
    before: list[dict[str, Any]] = deployment.get("resources") or []
    settled = {**deployment, "resources": [*before, *adopted], "pending_operations": []}
    return settled, adopted, len(pending)


def unawaited(deployment: Mapping[str, Any], urns: Collection[str]) -> Mapping[str, Any]:
    """A state in which these have yet to become ready: the next update waits for each."""
    why = "the run that made it was cut short"
    resources: list[dict[str, Any]] = deployment.get("resources") or []
    marked = [
        {**one, "initErrors": one.get("initErrors") or [why]} if one["urn"] in urns else one
        for one in resources
    ]
    return {**deployment, "resources": marked}


def on_disk(backend: str) -> Path | None:
    """Where a backend keeps its state; None where that is not this machine's disk."""
    url = urlparse(backend)
    return Path(unquote(url.path)) / ".pulumi" if url.scheme == "file" else None


def half_written(backend: str, stack: str) -> list[Path]:
    """Files that a killed run left empty beside the state of a backend on disk.

    Pulumi puts the state itself in place by renaming, but not what it keeps beside it, and reads
    nothing more once that is empty: "failed to load checkpoint: EOF".
    """
    if (state := on_disk(backend)) is None:
        return []
    folder = state / "stacks" / PROJECT
    return [path for path in folder.glob(f"{stack}.json*.attrs") if not path.stat().st_size]


def objects_of(exported: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Take the objects that a stack creates out of what `pulumi stack export` wrote."""
    resources: list[dict[str, Any]] = exported["deployment"].get("resources") or []
    return [
        {key: value for key, value in one["inputs"].items() if not key.startswith("__")}
        for one in resources
        if one["type"].startswith("kubernetes:") and not one.get("external")
        # A chart's release is a resource, and no object.
        if "kind" in one["inputs"]
    ]


def adopt(operation: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state of an object whose creation was begun; None for what is not to be taken in."""
    resource: dict[str, Any] = operation["resource"]
    inputs: dict[str, Any] = resource.get("inputs") or {}
    if operation["type"] != "creating" or not resource["type"].startswith("kubernetes:"):
        return None
    named: dict[str, Any] = inputs.get("metadata") or inputs
    identity = "/".join(part for part in (named.get("namespace"), named.get("name")) if part)
    return {**resource, "id": identity, "outputs": inputs}


def check(stack: str, places: Places) -> None:
    """Missing when no file describes the stack."""
    known = sorted(path.name.split(".")[1] for path in places.root.glob("Pulumi.*.yaml"))
    if stack not in known:
        close = difflib.get_close_matches(stack, known, n=1)
        hint = f"did you mean STACK={close[0]}?" if close else f"write Pulumi.{stack}.yaml"
        raise Missing(f"stack {stack}", f"not one of {', '.join(known)}", way_out=hint)


def has_own_cluster(stack: str, places: Places) -> bool:
    """Whether the stack's file says `kind: embedded`, and so needs the control plane's programs.

    Read without a YAML parser, which a bare machine has not: no other block has such a `kind`.
    """
    said = (places.root / f"Pulumi.{stack}.yaml").read_text()
    return bool(KIND_EMBEDDED.search(COMMENT.sub("", said)))


def options(stack: str, places: Places) -> set[str]:
    """Name all that the stack's file calls a provider, and `prometheus` if it installs one.

    Read as its cluster's kind is: what provides something else is called like no gateway.
    """
    said = COMMENT.sub("", (places.root / f"Pulumi.{stack}.yaml").read_text())
    return {*PROVIDER.findall(said), *(["prometheus"] if INSTALLS_PROMETHEUS.search(said) else [])}


def _write(path: Path, text: str) -> None:
    """In one step: a run that is cut short leaves no half-written file."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text)
    part.rename(path)
