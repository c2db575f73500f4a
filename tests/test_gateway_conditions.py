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


@pytest.mark.parametrize(
    ("host", "from_outside"), [("a.b.svc.cluster.local", False), ("10.1.2.3", True)]
)
def test_a_gateway_is_reached_at_its_services_name_until_a_balancer_has_another(
    host: str, *, from_outside: bool
) -> None:
    gateway = {"metadata": {"generation": 1}, "status": {"addresses": [{"value": host}]}}
    for outside in (False, True):
        expression = conditions.reached_at("a.b.svc.cluster.local", from_outside=outside)
        [check] = waitfor.parse(json.dumps([expression]))
        assert (check(gateway) == READY) == (outside == from_outside)
        assert check({"metadata": {"generation": 1}, "status": {}}) != READY
