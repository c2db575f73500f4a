"""The captured statuses are what an API server would hold, and say what they are said to say.

They are what the program's own conditions are tried on.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from definitions import unfit
from statuses import GATEWAY, GKE, KINDS, Captured, captured, everything

from stack.releases import releases

ASKED = {
    "gatewayclass": {"Accepted"},
    "gateway": {"Accepted", "Programmed"},
    "httproute": {"Accepted", "ResolvedRefs"},
    "inferencepool": {"Accepted", "ResolvedRefs"},
}


@pytest.mark.parametrize("release", releases())
@pytest.mark.parametrize("status", everything(), ids=str)
def test_a_captured_status_fits_the_definitions_of_every_release(
    status: Captured, release: str
) -> None:
    assert [*unfit(status.made, *releases()[release].crds.values())] == []


@pytest.mark.parametrize("status", everything(), ids=str)
def test_a_captured_status_lacks_what_it_is_said_to_lack(status: Captured) -> None:
    theirs = {"Reconciled"} if status.controller == GKE else set[str]()

    assert (ASKED[status.kind] | theirs) - met(status) == status.unmet


def met(status: Captured) -> set[str]:
    generation = status.made["metadata"]["generation"]
    return {
        one["type"]
        for one in conditions(status)
        if one["status"] == "True" and one.get("observedGeneration", generation) == generation
    }


def conditions(status: Captured) -> list[Mapping[str, Any]]:
    said = status.made.get("status", {})
    if status.kind in {"gateway", "gatewayclass"}:
        return said.get("conditions", [])
    return [
        condition
        for parent in said.get("parents", [])
        if parent["parentRef"]["name"] == GATEWAY
        if parent.get("controllerName", status.controller) == status.controller
        for condition in parent.get("conditions", [])
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_of_each_kind_some_are_ready_some_not_and_some_stale(kind: str) -> None:
    statuses = captured(kind)

    assert any(not one.unmet for one in statuses)
    assert {lacked for one in statuses for lacked in one.unmet} >= ASKED[kind]
    assert any("before it was changed" in one.case for one in statuses)
