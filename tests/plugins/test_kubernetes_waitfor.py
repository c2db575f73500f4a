"""The annotation `pulumi.com/waitFor`, on statuses as controllers write them."""

import json
from typing import Any

import pytest

from plugins.kubernetes import waitfor
from plugins.kubernetes.readiness import READY, Ready, Verdict, Waiting
from plugins.values import Object

ACCEPTED_BY_ANY_PARENT = (
    "jsonpath={.status.parents[?@.conditions].conditions[?(@.type=='Accepted')].status}=True"
)


def judge(annotation: str, obj: Object) -> Verdict:
    verdicts = [check(obj) for check in waitfor.parse(annotation)]
    return next((one for one in verdicts if one != READY), READY)


def gateway(status: str, *, generation: int = 2, observed: int | None = 2) -> Object:
    condition: Object = {"type": "Programmed", "status": status, "reason": "Why"}
    if observed is not None:
        condition["observedGeneration"] = observed
    return {"metadata": {"generation": generation}, "status": {"conditions": [condition]}}


def route(*parents: str | None) -> Object:
    """An HTTPRoute with the `Accepted` status of each parent; None for one without conditions."""
    return {
        "status": {
            "parents": [
                {"parentRef": {"name": str(index)}}
                if accepted is None
                else {
                    "conditions": [
                        {"type": "ResolvedRefs", "status": "True"},
                        {"type": "Accepted", "status": accepted},
                    ]
                }
                for index, accepted in enumerate(parents)
            ]
        }
    }


@pytest.mark.parametrize(
    ("annotation", "obj", "ready"),
    [
        ("condition=Programmed", gateway("True"), True),
        ("condition=programmed", gateway("true"), True),
        ("condition=Programmed", gateway("False"), False),
        ("condition=Programmed=False", gateway("False"), True),
        ("condition=Programmed", gateway("True", observed=1), False),
        ("condition=Programmed", gateway("True", observed=None), True),
        ("condition=Accepted", gateway("True"), False),
        ("condition=Programmed", {}, False),
        ("condition=Programmed", {"status": {"conditions": None}}, False),
        (ACCEPTED_BY_ANY_PARENT, route("True"), True),
        (ACCEPTED_BY_ANY_PARENT, route("False"), False),
        (ACCEPTED_BY_ANY_PARENT, route(None, "True"), True),
        # Only the first that is selected counts.
        (ACCEPTED_BY_ANY_PARENT, route("True", "False"), True),
        (ACCEPTED_BY_ANY_PARENT, route("False", "True"), False),
        (ACCEPTED_BY_ANY_PARENT, {"status": {}}, False),
        ("jsonpath={.status.phase}=Running", {"status": {"phase": "Running"}}, True),
        ("jsonpath={.status.phase}=Running", {"status": {"phase": "Pending"}}, False),
        ("jsonpath={$.status.phase}", {"status": {"phase": "x"}}, True),
        ("jsonpath={.status.phase}", {"status": {}}, False),
        ("jsonpath={.status.conditions}", {"status": {"conditions": []}}, True),
        ("jsonpath={.status.replicas}=3", {"status": {"replicas": 3}}, True),
        ("jsonpath={.status.on}=true", {"status": {"on": True}}, True),
        (
            "jsonpath={.status.list[?@.n >= 2].n}=2",
            {"status": {"list": [{"n": 1}, {"n": 2}]}},
            True,
        ),
        (
            "jsonpath={.status.list[?@.a == '}=x'].b}=y",
            {"status": {"list": [{"a": "}=x", "b": "y"}]}},
            True,
        ),
    ],
)
def test_an_expression_holds_exactly_when_the_status_says_so(
    annotation: str,
    obj: Object,
    ready: bool,  # noqa: FBT001
) -> None:
    assert isinstance(judge(annotation, obj), Ready if ready else Waiting)


def test_all_of_several_expressions_have_to_hold() -> None:
    both = json.dumps(["condition=Programmed", "jsonpath={.spec.ready}=true"])
    assert judge(both, {**gateway("True"), "spec": {"ready": True}}) == READY
    assert judge(both, {**gateway("True"), "spec": {"ready": False}}) != READY
    assert judge(both, {**gateway("False"), "spec": {"ready": True}}) != READY


@pytest.mark.parametrize(
    ("annotation", "obj", "why"),
    [
        ("condition=Programmed", gateway("False"), "condition Programmed is False (Why)"),
        ("condition=Programmed", gateway("True", observed=1), "generation 1, not yet 2"),
        ("condition=Ready", {}, "no condition Ready yet"),
        ("jsonpath={.a}=1", {"a": 2}, "{.a} is 2, not 1"),
        ("jsonpath={.a}", {}, "{.a} selects nothing yet"),
    ],
)
def test_what_is_waited_for_is_said(annotation: str, obj: Object, why: str) -> None:
    verdict = judge(annotation, obj)
    assert isinstance(verdict, Waiting)
    assert why in verdict.why


@pytest.mark.parametrize(
    "annotation",
    [
        "Programmed",
        "condition=",
        "[]",
        "jsonpath=.status.phase=Running",
        "jsonpath={.status.phase=Running",
        "jsonpath={.status.phase}=",
        "jsonpath={.status.phase}=a=b",
        "jsonpath={.a}={.b}",
        "jsonpath={.items[]}",
        "jsonpath='{.a}'=b",
    ],
)
def test_an_expression_that_can_never_hold_is_refused(annotation: str) -> None:
    with pytest.raises(waitfor.MalformedError):
        waitfor.parse(annotation)


def test_an_object_is_never_equal_to_a_text() -> None:
    (check,) = waitfor.parse("jsonpath={.status}=Ready")
    found: dict[str, Any] = {"status": {"a": 1}}
    with pytest.raises(waitfor.MalformedError, match="an object or a list"):
        check(found)
