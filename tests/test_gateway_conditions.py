"""What is waited for is true exactly where the captured status says so.

The expressions are judged by the stand-in's own reader, which keeps the provider's rules.
"""

import json

import pytest
from statuses import GATEWAY, Captured, captured

from plugins.kubernetes import waitfor
from plugins.kubernetes.readiness import READY
from stack import conditions


def holds(expression: str, status: Captured) -> bool:
    [check] = waitfor.parse(json.dumps([expression]))
    return check(status.made) == READY


def asked(kind: str, status: Captured) -> str:
    if status.kind in {"gateway", "gatewayclass"}:
        return conditions.condition(kind)
    return conditions.of_parent(kind, GATEWAY, status.controller)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (kind, status)
        for of, kinds in (
            ("gateway", (conditions.ACCEPTED, conditions.PROGRAMMED)),
            ("httproute", (conditions.ACCEPTED, conditions.RESOLVED)),
            ("inferencepool", (conditions.ACCEPTED,)),
        )
        for kind in kinds
        for status in captured(of)
    ],
    ids=str,
)
def test_a_condition_holds_where_the_gateways_controller_says_so_of_what_is_there(
    kind: str, status: Captured
) -> None:
    assert holds(asked(kind, status), status) == (kind not in status.unmet)
