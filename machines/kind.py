"""kind, on docker or podman."""

import json
from dataclasses import dataclass
from typing import Any

from machines.local import State
from machines.settings import Settings
from machines.tool import Answer, Shop
from tools.errors import Missing

CREATE_SECONDS = 1800.0
"""Of which most go into the download of the node image."""
WAIT = "300s"
"""For the control plane to become ready, of those."""
STOP_SECONDS = 300.0

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Kind:
    shop: Shop
    settings: Settings
    platform: str

    @property
    def context(self) -> str:
        return f"kind-{self.settings.name}"

    def state(self) -> State:
        if self.settings.name not in self._ask("get", "clusters").out.split():
            return State.ABSENT
        running = self._expect(
            self.settings.driver,
            *("inspect", "--type=container", "--format={{.State.Running}}", *self._nodes()),
        )
        said = running.out.split()
        return State.RUNNING if said and {*said} == {"true"} else State.STOPPED

    def create(self) -> None:
        file = self.shop.root / "kind.yaml"
        # JSON is YAML.
        file.write_text(json.dumps(self.config(), indent=1))
        self.shop.act(
            "kind",
            *("create", "cluster", f"--config={file}", f"--wait={WAIT}"),
            # Nodes of what failed are gone: the next run makes it anew in any case.
            *self._words(),
            seconds=CREATE_SECONDS,
        )

    def start(self) -> None:
        self.shop.act(self.settings.driver, "start", *self._nodes(), seconds=STOP_SECONDS)
        self.connect()

    def connect(self) -> None:
        self.shop.act("kind", "export", "kubeconfig", *self._words(), seconds=STOP_SECONDS)

    def stop(self) -> None:
        self.shop.act(self.settings.driver, "stop", *self._nodes(), seconds=STOP_SECONDS)

    def delete(self) -> None:
        self.shop.act("kind", "delete", "cluster", *self._words(), seconds=STOP_SECONDS)

    def config(self) -> dict[str, Any]:
        """One node; what it listens on is this machine's own, and nobody else's."""
        options = self.settings.options
        ports = [
            {
                "containerPort": one["node"],
                "hostPort": one["host"],
                "listenAddress": LOOPBACK,
                "protocol": "TCP",
            }
            for one in options["ports"]
        ]
        return {
            "kind": "Cluster",
            "apiVersion": "kind.x-k8s.io/v1alpha4",
            "name": self.settings.name,
            "networking": {"apiServerAddress": LOOPBACK},
            "nodes": [
                {"role": "control-plane", "image": options["image"], "extraPortMappings": ports}
            ],
        }

    def _words(self) -> tuple[str, str]:
        return f"--name={self.settings.name}", f"--kubeconfig={self.shop.kubeconfig}"

    def _nodes(self) -> list[str]:
        return self._ask("get", "nodes", f"--name={self.settings.name}").out.split()

    def _ask(self, *words: str) -> Answer:
        return self._expect("kind", *words)

    def _expect(self, *command: str) -> Answer:
        said = self.shop.ask(*command)
        if said.code:
            raise Missing(
                command[0],
                f"`{' '.join(command[:3])}` failed",
                way_out=f"see to it that {self.settings.driver} runs (`{self.settings.driver} "
                "info`), then run this again",
                said=said.last,
            )
        return said


TOOL = Kind
