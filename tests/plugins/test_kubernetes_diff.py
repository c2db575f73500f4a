"""What changed, and what of it replaces an object."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from test_values import OBJECTS

from plugins.kubernetes import kinds
from plugins.kubernetes.diff import Change, Difference, differences, parse, render
from plugins.values import UNKNOWN, Object

STEPS = st.lists(st.text(min_size=1, max_size=6) | st.integers(0, 99), min_size=1, max_size=4)


def changed(old: Object, new: Object, **options: Any) -> dict[str, str]:
    return {render(one.path): one.change.value for one in differences(old, new, **options)}


@given(OBJECTS)
def test_nothing_differs_from_itself_except_the_unknown(value: Object) -> None:
    known = "UNKNOWN" not in repr(value)
    assert (differences(value, value) == []) is known or not value


@given(OBJECTS, OBJECTS)
def test_whatever_is_unequal_differs(old: Object, new: Object) -> None:
    assume(old != new)
    assert differences(old, new)


@given(STEPS)
def test_a_path_that_is_rendered_parses_to_itself(steps: list[str | int]) -> None:
    path = ("spec", *steps)
    assume(not any(isinstance(step, str) and step == "*" for step in steps))
    assert parse(render(path)) == path


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("spec", "ports", 0, "name"), "spec.ports[0].name"),
        (
            ("metadata", "labels", "app.kubernetes.io/name"),
            'metadata.labels["app.kubernetes.io/name"]',
        ),
    ],
)
def test_paths_look_as_the_engine_writes_them(path: tuple[str | int, ...], text: str) -> None:
    assert render(path) == text


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 2}, {"a": "UPDATE"}),
        ({"a": 1}, {"a": 1.0}, {}),
        ({"a": 1}, {"a": True}, {"a": "UPDATE"}),
        ({"a": 0}, {"a": False}, {"a": "UPDATE"}),
        ({"a": "1"}, {"a": 1}, {"a": "UPDATE"}),
        ({}, {"a": {"b": 1}}, {"a": "ADD"}),
        ({"a": {"b": 1}}, {}, {"a": "DELETE"}),
        ({"a": [1, 2]}, {"a": [1, 3, 4]}, {"a[1]": "UPDATE", "a[2]": "ADD"}),
        ({"a": [1, 2]}, {"a": [1]}, {"a[1]": "DELETE"}),
        ({"a": 1}, {"a": UNKNOWN}, {"a": "UPDATE"}),
        ({"a": {"b": 1}}, {"a": [1]}, {"a": "UPDATE"}),
    ],
)
def test_each_difference_is_named_by_its_path_and_kind(
    old: Object, new: Object, expected: dict[str, str]
) -> None:
    assert changed(old, new) == expected


@pytest.mark.parametrize("ignored", ["spec.replicas", "spec", 'spec["replicas"]'])
def test_an_ignored_path_and_what_lies_below_it_is_no_difference(ignored: str) -> None:
    old, new = {"spec": {"replicas": 1}, "a": 1}, {"spec": {"replicas": 2}, "a": 2}
    assert changed(old, new, ignored=[ignored]) == {"a": "UPDATE"}


def test_a_wildcard_ignores_every_element() -> None:
    old, new = {"c": [{"i": 1}, {"i": 1}]}, {"c": [{"i": 2}, {"i": 3}]}
    assert changed(old, new, ignored=["c[*].i"]) == {}


def replaced(old: Object, new: Object, mutable: frozenset[str] = frozenset()) -> set[str]:
    fixed = kinds.fixed(old, new, mutable=mutable)
    return {render(one.path) for one in differences(old, new, fixed) if one.replaces}


def of(api_version: str, kind: str, **content: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}, **content}


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        (
            of("v1", "Namespace"),
            {**of("v1", "Namespace"), "metadata": {"name": "b"}},
            {"metadata.name"},
        ),
        (
            of("apps/v1", "Deployment", spec={"selector": {"matchLabels": {"a": "b"}}}),
            of("apps/v1", "Deployment", spec={"selector": {"matchLabels": {"a": "c"}}}),
            {"spec.selector.matchLabels.a"},
        ),
        (
            of("apps/v1", "Deployment", spec={"replicas": 1}),
            of("apps/v1", "Deployment", spec={"replicas": 2}),
            set[str](),
        ),
        (
            of("apps/v1", "StatefulSet", spec={"serviceName": "a"}),
            of("apps/v1", "StatefulSet", spec={}),
            {"spec.serviceName"},
        ),
        (
            of("v1", "Pod", spec={"containers": [{"image": "a"}]}),
            of("v1", "Pod", spec={"containers": [{"image": "b"}]}),
            {"spec.containers[0].image"},
        ),
        (
            of("v1", "Pod", spec={"containers": [{"image": "a"}]}),
            of("v1", "Pod", spec={"containers": [{"image": "a"}, {"image": "b"}]}),
            {"spec.containers[1]"},
        ),
        (
            of("v1", "PersistentVolumeClaim", spec={"resources": {"requests": {"storage": "1Gi"}}}),
            of("v1", "PersistentVolumeClaim", spec={"resources": {"requests": {"storage": "2Gi"}}}),
            set[str](),
        ),
        (
            of("v1", "PersistentVolumeClaim", spec={"storageClassName": "a"}),
            of("v1", "PersistentVolumeClaim", spec={"storageClassName": "b"}),
            {"spec.storageClassName"},
        ),
        (
            of("rbac.authorization.k8s.io/v1", "RoleBinding", roleRef={"name": "a"}),
            of("rbac.authorization.k8s.io/v1", "RoleBinding", roleRef={"name": "b"}),
            {"roleRef.name"},
        ),
        (of("ex.io/v1", "Widget", spec=1), of("ex.io/v2", "Widget", spec=2), set[str]()),
        (of("ex.io/v1", "Widget"), of("ex.com/v1", "Widget"), {"apiVersion"}),
        (of("v1", "ConfigMap"), of("v1", "ConfigMap", spec={"selector": 1}), set[str]()),
    ],
)
def test_only_what_the_server_never_changes_replaces_an_object(
    old: Object, new: Object, paths: set[str]
) -> None:
    assert replaced(old, new) == paths


@pytest.mark.parametrize(("kind", "key"), [("ConfigMap", "data"), ("Secret", "stringData")])
def test_content_replaces_its_object_unless_the_provider_says_it_is_mutable(
    kind: str, key: str
) -> None:
    old, new = of("v1", kind, **{key: {"a": "1"}}), of("v1", kind, **{key: {"a": "2"}})
    assert replaced(old, new) == {f"{key}.a"}
    assert replaced(old, new, frozenset({kind})) == set()


def test_an_immutable_object_is_replaced_even_where_content_is_mutable() -> None:
    old = of("v1", "ConfigMap", data={"a": "1"}, immutable=True)
    new = of("v1", "ConfigMap", data={"a": "2"}, immutable=False)
    assert replaced(old, new, frozenset({"ConfigMap"})) == {"data.a", "immutable"}


def test_removing_a_parent_of_a_fixed_field_replaces_the_object() -> None:
    found = differences({"spec": {"clusterIP": "x"}}, {}, [("spec", "clusterIP")])
    assert found == [Difference(("spec",), Change.DELETE, replaces=True)]
