"""Asking a tool, and having it act: argument lists, a time limit, and every line as it comes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from machines.leash import LATE
from tools.errors import Missing
from tools.process import run

PACKAGES = Path(__file__).resolve().parents[1]
ASK_SECONDS = 120.0
"""For a question; a second does, of a tool that has not hung."""
GRACE_SECONDS = 30.0
TAIL_LINES = 12

INSTALL: Mapping[str, str] = {
    "docker": "install Docker, or have `cluster.driver: podman`",
    "kubectl": "run `make tools`",
    "kind": "install kind: https://kind.sigs.k8s.io/docs/user/quick-start/#installation",
    "minikube": "install minikube: https://minikube.sigs.k8s.io/docs/start/",
    "oc": "install oc: https://docs.openshift.com (`oc` of your cluster's version)",
    "podman": "install Podman, or have `cluster.driver: docker`",
}


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """Its last words."""
        return "\n".join((self.err or self.out).strip().splitlines()[-TAIL_LINES:])


@dataclass(frozen=True, kw_only=True)
class Shop:
    """Where tools are run: all on behalf of one cluster, one at a time."""

    root: Path
    """Folder of the cluster."""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Over this process's own."""

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    def ask(self, *command: str) -> Answer:
        """What it says to a question; Missing where it is not installed or does not answer."""
        done = subprocess.run(  # noqa: S603 - argument lists of ours, and no shell reads them
            self._leashed(command, ASK_SECONDS),
            env=self._env(),
            cwd=PACKAGES,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=ASK_SECONDS + GRACE_SECONDS,
            start_new_session=True,
        )
        if done.returncode == LATE:
            raise Missing(
                command[0],
                f"`{' '.join(command)}` gave no answer within {ASK_SECONDS:g} s",
                way_out=f"see why {command[0]} hangs (it may need a restart), then run this again",
                said=done.stderr.strip(),
            )
        return Answer(done.returncode, done.stdout, done.stderr)

    def act(self, *command: str, seconds: float) -> None:
        """Have it done, telling every line as it comes; Missing with its last words if it fails."""
        shown = " ".join(command[:2])
        told = 0

        def tell(lines: Sequence[str]) -> None:
            nonlocal told
            for line in lines[told:]:
                sys.stderr.write(f"{command[0]}: {line}\n")
            told = len(lines)
            sys.stderr.flush()

        sys.stderr.write(f"{shown} …\n")
        result = run(self._leashed(command, seconds), env=self._env(), cwd=PACKAGES, pulse=tell)
        tell(result.lines)
        if result.code:
            raise Missing(
                shown,
                "took too long" if result.code == LATE else f"failed with exit code {result.code}",
                way_out="mend what it says, then run this again: it goes on from here",
                said=result.tail(),
            )

    def _leashed(self, command: Sequence[str], seconds: float) -> list[str]:
        program = shutil.which(command[0], path=self._env().get("PATH"))
        if program is None:
            raise Missing(command[0], "not on PATH", way_out=INSTALL[command[0]])
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        leash = (sys.executable, "-S", "-m", "machines.leash", str(os.getpid()), f"{seconds:g}")
        return [*leash, str(self.root / "leash"), program, *command[1:]]

    def _env(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), **self.env}
