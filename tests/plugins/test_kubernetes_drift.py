"""Inputs as they are in the cluster: hand edits show, what the server added does not."""

import base64
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.kubernetes.drift import drifted, quantity
from plugins.values import Object

JSON = st.recursive(
    st.booleans() | st.integers(-999, 999) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)


def _with_more(value: Any) -> Any:
    """A value as a server answers it: with defaults in every mapping."""
    if isinstance(value, dict):
        return {**{key: _with_more(item) for key, item in value.items()}, "defaulted": "x"}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_with_more(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4))
def test_what_the_server_adds_is_no_drift(asked: Object) -> None:
    assert drifted(_with_more(asked), asked) == asked


@pytest.mark.parametrize(
    ("asked", "live", "found"),
    [
        ({"replicas": 2}, {"replicas": 7}, {"replicas": 7}),
        ({"labels": {"a": "1"}}, {"labels": {}}, {"labels": {}}),
        ({"cpu": "0.5"}, {"cpu": "500m"}, {"cpu": "0.5"}),
        ({"memory": "1024Mi"}, {"memory": "1Gi"}, {"memory": "1024Mi"}),
        ({"cpu": "0.5"}, {"cpu": "600m"}, {"cpu": "600m"}),
        ({"on": True}, {"on": 1}, {"on": 1}),
        ({"env": []}, {}, {"env": []}),
        ({"hostNetwork": False}, {}, {"hostNetwork": False}),
        ({"hostNetwork": True}, {}, {}),
        ({"args": ["a", "b"]}, {"args": ["a"]}, {"args": ["a"]}),
        (
            {"containers": [{"name": "a", "image": "1"}]},
            {"containers": [{"name": "injected"}, {"name": "a", "image": "2", "tty": False}]},
            {"containers": [{"name": "a", "image": "2"}]},
        ),
        (
            {"env": [{"name": "a"}, {"name": "b"}]},
            {"env": [{"name": "b"}]},
            {"env": [{"name": "b"}]},
        ),
        (
            {"rules": [{"verbs": ["get"]}]},
            {"rules": [{"verbs": ["get"], "apiGroups": [""]}]},
            {"rules": [{"verbs": ["get"]}]},
        ),
    ],
)
def test_drift_is_what_differs_in_meaning(asked: Object, live: Object, found: Object) -> None:
    assert drifted(live, asked) == found


def test_a_secret_that_was_written_as_text_is_compared_as_text() -> None:
    asked = {"kind": "Secret", "stringData": {"kept": "a", "edited": "b", "removed": "c"}}
    data = {"kept": "a", "edited": "B", "other": "d"}
    live = {
        "kind": "Secret",
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()},
    }
    assert drifted(live, asked)["stringData"] == {"kept": "a", "edited": "B"}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("500m", Decimal("0.5")),
        ("1Gi", Decimal(2**30)),
        ("2Ki", Decimal(2048)),
        ("1E", Decimal(10**18)),
        ("1e3", Decimal(1000)),
        ("-1.5k", Decimal(-1500)),
        (".5", Decimal("0.5")),
        (3, Decimal(3)),
        ("1Gib", None),
        ("", None),
        (True, None),
        ("v1", None),
    ],
)
def test_a_quantity_stands_for_a_number(text: object, number: Decimal | None) -> None:
    assert quantity(text) == number
