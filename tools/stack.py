"""`up`, `preview` and `down` of a stack: Pulumi, after what an interrupted run left is put right.

A run that was killed can leave three things: a lock, operations that Pulumi does not know the end
of, and an embedded cluster without processes. `pulumi` alone reports each; here they are mended.
"""

import difflib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from tools import process, providers, shell
from tools.errors import Missing
from tools.places import Places, here

PROJECT = "llm-d"
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "up": ("up", "--yes", "--skip-preview"),
    "preview": ("preview",),
    "down": ("destroy", "--yes", "--skip-preview"),
}
SECONDS = 300.0
"""For the short commands around the one that was asked for."""


def main(action: str, stack: str) -> int:
    """Run `action` on `stack`; Pulumi's exit code."""
    places = here()
    _check(stack, places)
    sys.stdout.write(f"{providers.decide(places).notice}\n")
    sys.stdout.flush()
    pulumi = Pulumi(stack, places)
    pulumi.select()
    if action != "preview":
        pulumi.recover()
    cluster = places.state / "clusters" / stack
    if cluster.exists() and action != "preview":
        _embedded("start" if action == "up" else "stop", cluster, pulumi.env, places)
    code = pulumi.stream(*ACTIONS[action])
    if action == "down" and code == 0 and cluster.exists():
        # Made by a run that was killed before Pulumi had written it down.
        _embedded("down", cluster, pulumi.env, places)
    return code


class Pulumi:
    """The `pulumi` command, for one stack of this project."""

    def __init__(self, stack: str, places: Places) -> None:
        self.stack = stack
        self.places = places
        self.env = shell.environment()
        self.file = places.root / f"Pulumi.{stack}.yaml"

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
        salt = [line for line in _lines(with_salt) if line.startswith("encryptionsalt:")]
        _write(with_salt, "\n".join([said.rstrip("\n"), *salt, ""]))
        self._init(folder)
        self.file = with_salt

    def _init(self, folder: Path) -> None:
        done = self._run("--cwd", str(folder), "stack", "select", "--create", self.stack)
        if done.code:
            raise Missing(f"stack {self.stack}", done.tail(), way_out="`make doctor`")

    def recover(self) -> None:
        """Take away a dead run's lock, and settle what it had begun."""
        if owner := next(self._locks(), None):
            raise Missing(
                f"stack {self.stack}",
                f"process {owner} is working on it",
                way_out="wait until it is done, or end it",
            )
        state = self._run("stack", "export", "--stack", self.stack)
        if state.code:
            raise Missing(f"stack {self.stack}", state.tail(), way_out="`make doctor`")
        deployment: dict[str, Any] = json.loads("\n".join(state.lines)).get("deployment") or {}
        pending: list[dict[str, Any]] = deployment.get("pending_operations") or []
        if not pending:
            return
        sys.stdout.write(f"settling {len(pending)} operation(s) of a run that was cut short\n")
        sys.stdout.flush()
        made = [
            f"{one['resource']['urn']} {identity}"
            for one in pending
            if one["type"] == "creating" and (identity := self._made(one["resource"]))
        ]
        code = self.stream(
            "refresh",
            "--yes",
            "--skip-preview",
            "--suppress-outputs",
            "--clear-pending-creates",
            *(f"--import-pending-creates={pair}" for pair in made),
        )
        if code:
            raise Missing(
                f"stack {self.stack}",
                "what the last run had begun could not be settled",
                way_out="see what `pulumi refresh` said above, mend it and run this again",
            )

    def _made(self, resource: Mapping[str, Any]) -> str | None:
        return None

    def _locks(self) -> Iterator[int]:
        """Processes of this machine that hold the stack; locks of dead ones are taken away."""
        url = urlparse(self.env.get("PULUMI_BACKEND_URL", ""))
        if url.scheme != "file":
            return
        folder = Path(unquote(url.path)) / ".pulumi" / "locks" / "organization" / PROJECT
        for lock in (folder / self.stack).glob("*.json"):
            try:
                owner: dict[str, Any] = json.loads(lock.read_text())
            except (OSError, ValueError):
                continue
            if owner.get("hostname") != socket.gethostname():
                continue
            if _alive(int(owner["pid"])):
                yield int(owner["pid"])
            else:
                lock.unlink(missing_ok=True)

    def stream(self, *words: str) -> int:
        """Run to the end, the user reading along; a signal to us is one to Pulumi."""
        command = ["pulumi", *words, "--stack", self.stack, f"--config-file={self.file}"]
        with subprocess.Popen(command, cwd=self.places.root, env=self.env) as child:  # noqa: S603, S607 - ours
            # Ctrl-C reaches it by itself: it then ends what it has begun, and we wait for it.
            before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT,)}
            before[signal.SIGTERM] = signal.signal(
                signal.SIGTERM, lambda *_: child.send_signal(signal.SIGINT)
            )
            try:
                return child.wait()
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _run(self, *words: str) -> process.Result:
        return process.run(
            ["pulumi", *words, "--non-interactive"],
            env=self.env,
            cwd=self.places.root,
            seconds=SECONDS,
        )


def _check(stack: str, places: Places) -> None:
    known = sorted(path.name.split(".")[1] for path in places.root.glob("Pulumi.*.yaml"))
    if stack not in known:
        close = difflib.get_close_matches(stack, known, n=1)
        hint = f"did you mean STACK={close[0]}?" if close else f"write Pulumi.{stack}.yaml"
        raise Missing(f"stack {stack}", f"there are {', '.join(known)}", way_out=hint)


def _embedded(action: str, cluster: Path, env: Mapping[str, str], places: Places) -> None:
    """Have the embedded cluster's own command do it."""
