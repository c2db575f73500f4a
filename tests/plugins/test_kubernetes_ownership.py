"""Who owns which field on the server."""

from typing import Any

import pytest

from plugins.kubernetes.ownership import taken_over, without_ignored
from plugins.values import Object

ME = "pulumi-kubernetes-0a1b2c3d"
REPLICAS: Object = {"f:spec": {"f:replicas": {}}}
LABELS: Object = {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}


def entry(manager: str, operation: str, fields: Object, **more: Any) -> Object:
    return {"manager": manager, "operation": operation, "fieldsV1": fields, **more}


def live(*entries: Object, **content: Any) -> Object:
    return {"metadata": {"managedFields": list(entries)}, **content}


def test_what_a_creation_made_becomes_an_apply_of_the_same_manager() -> None:
    assert taken_over(live(entry(ME, "Update", REPLICAS)), ME) == [entry(ME, "Apply", REPLICAS)]


@pytest.mark.parametrize(
    ("manager", "operation"),
    [
        ("kubectl", "Apply"),
        ("kubectl-client-side-apply", "Update"),
        ("kubectl-edit", "Update"),
        ("before-first-apply", "Update"),
        ("pulumi-kubernetes", "Update"),
        ("pulumi-kubernetes-ffffffff", "Update"),
    ],
)
def test_the_fields_of_former_managers_join_ours(manager: str, operation: str) -> None:
    found = taken_over(live(entry(ME, "Apply", REPLICAS), entry(manager, operation, LABELS)), ME)
    assert found == [entry(ME, "Apply", {**REPLICAS, **LABELS})]


@pytest.mark.parametrize(
    "theirs",
    [
        entry("kube-controller-manager", "Update", LABELS),
        entry("kubectl", "Update", LABELS, subresource="scale"),
        entry("helm", "Apply", LABELS),
        entry("pulumi-kubernetes-ffffffff", "Apply", LABELS),
    ],
)
def test_the_fields_of_others_stay_theirs(theirs: Object) -> None:
    assert taken_over(live(entry(ME, "Apply", REPLICAS), theirs), ME) is None
    found = taken_over(live(entry(ME, "Update", REPLICAS), theirs), ME)
    assert found == [entry(ME, "Apply", REPLICAS), theirs]


def test_an_object_that_nobody_manages_is_left_alone() -> None:
    assert taken_over({"metadata": {}}, ME) is None


def test_an_ignored_field_of_another_manager_is_not_sent() -> None:
    current = live(entry("hpa", "Update", REPLICAS), spec={"replicas": 5})
    wanted = {"spec": {"replicas": 1, "paused": False}}
    assert without_ignored(wanted, current, ME, ["spec.replicas"]) == {"spec": {"paused": False}}
    assert wanted["spec"]["replicas"] == 1


@pytest.mark.parametrize(
    "managers",
    [
        [entry(ME, "Apply", REPLICAS)],
        [entry(ME, "Apply", REPLICAS), entry("hpa", "Update", REPLICAS)],
        [],
    ],
)
def test_an_ignored_field_of_ours_is_sent_as_it_is_in_the_cluster(managers: list[Object]) -> None:
    current = live(*managers, spec={"replicas": 5})
    sent = without_ignored({"spec": {"replicas": 1}}, current, ME, ["spec.replicas"])
    assert sent == {"spec": {"replicas": 5}}
