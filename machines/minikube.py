"""minikube, on docker or podman."""

import json
from dataclasses import dataclass
from typing import Any, cast

from machines.local import State
from machines.settings import Settings
from machines.tool import Shop
from tools.errors import Missing

START_SECONDS = 1800.0
"""Of which most go into downloads."""
STOP_SECONDS = 300.0
DELETE_SECONDS = 600.0

# Podman's machine has one unified cgroup hierarchy, where minikube's own preflight looks for cpuset
# in the wrong place.
ON_PODMAN_MACHINE = (
    "--extra-config=kubelet.cgroup-driver=systemd",
    "--extra-config=kubeadm.ignore-preflight-errors=SystemVerification",
)


@dataclass(frozen=True)
class Minikube:
    shop: Shop
    settings: Settings
    platform: str

    @property
    def context(self) -> str:
        return self.settings.name

    def state(self) -> State:
        if self.settings.name not in self._profiles():
            return State.ABSENT
        # Exits with other codes than 0 for one that does not run.
        said = self.shop.ask("minikube", "status", self._profile, "--output=json")
        runs = [_runs(node) for node in _nodes(said.out)]
        return State.RUNNING if runs and all(runs) else State.STOPPED

    def create(self) -> None:
        self.start()

    def start(self) -> None:
        self.shop.act("minikube", *self.words(), seconds=START_SECONDS)

    def connect(self) -> None:
        self.shop.act("minikube", "update-context", self._profile, seconds=STOP_SECONDS)

    def stop(self) -> None:
        self.shop.act("minikube", "stop", self._profile, seconds=STOP_SECONDS)

    def delete(self) -> None:
        self.shop.act("minikube", "delete", self._profile, seconds=DELETE_SECONDS)

    def words(self) -> list[str]:
        """Of the command that makes it, or starts it again."""
        settings, options = self.settings, self.settings.options
        gpus = options["gpus"]
        on_machine = settings.driver == "podman" and self.platform == "darwin"
        return [
            "start",
            self._profile,
            f"--driver={settings.driver}",
            f"--cpus={options['cpus']}",
            f"--memory={options['memory']}mb",
            f"--disk-size={options['disk']}mb",
            f"--kubernetes-version=v{options['kubernetes']}",
            "--interactive=false",
            # Which minikube passes GPUs on to.
            *((f"--gpus={gpus}", "--container-runtime=docker") if gpus else ()),
            *(ON_PODMAN_MACHINE if on_machine else ()),
        ]

    @property
    def _profile(self) -> str:
        return f"--profile={self.settings.name}"

    def _profiles(self) -> set[str]:
        """Names of all, of those too that minikube cannot make sense of any more."""
        said = self.shop.ask("minikube", "profile", "list", "--output=json")
        try:
            listed: dict[str, list[dict[str, Any]]] = json.loads(said.out)
            return {one["Name"] for part in ("valid", "invalid") for one in listed.get(part) or ()}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Missing(
                "minikube",
                "does not say which profiles there are",
                way_out="mend what `minikube profile list --output=json` says, then run this again",
                said=said.last,
            ) from None


def _nodes(said: str) -> list[dict[str, Any]]:
    """One object where there is one node, a list of several; nothing where it knows of none."""
    try:
        found: Any = json.loads(said)
    except ValueError:
        return []
    return cast("list[dict[str, Any]]", found) if isinstance(found, list) else [found]


def _runs(node: dict[str, Any]) -> bool:
    """Workers have no API server, and say so in another word."""
    parts = (node.get("Host"), node.get("Kubelet"), node.get("APIServer"))
    return all(part in {"Running", "Irrelevant"} for part in parts)


TOOL = Minikube
