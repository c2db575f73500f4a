"""What controllers write as statuses, and what of each is not true yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

STATUSES = Path(__file__).parent / "gateway_statuses"
KINDS = sorted(path.stem for path in STATUSES.glob("*.yaml"))
GATEWAY = "inference-gateway"
"""Whose word counts in the statuses of what has parents."""
ISTIO, GKE = "istio.io/gateway-controller", "networking.gke.io/gateway"


@dataclass(frozen=True, kw_only=True)
class Captured:
    kind: str
    """In lower case."""
    case: str
    unmet: frozenset[str]
    """Conditions that are not true, of the generation that is there, where it counts."""
    controller: str
    """The one that serves the Gateway."""
    made: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.kind}: {self.case}"


@cache
def captured(kind: str) -> Sequence[Captured]:
    cases = yaml.safe_load((STATUSES / f"{kind}.yaml").read_text())
    return [
        Captured(
            kind=kind,
            case=case,
            unmet=frozenset(said["unmet"]),
            controller=said.get("controller", ISTIO),
            made=said["object"],
        )
        for case, said in cases.items()
        if not case.startswith("x-")
    ]


def everything() -> list[Captured]:
    return [one for kind in KINDS for one in captured(kind)]
