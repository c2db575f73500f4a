"""What the engine keeps of an object, and what of it is secret."""

import pytest

from plugins.kubernetes import state
from plugins.values import UNKNOWN, Object, Path, at, plain, secret_paths, typed


def outputs(live: Object, asked: Object, *secrets: Path) -> tuple[Object, set[Path]]:
    kept = state.outputs(live, typed(asked, secrets), manager="me", initial_api_version="v1")
    return plain(kept), secret_paths(kept)


def test_outputs_are_the_live_object_and_what_made_it() -> None:
    live = {"spec": {"a": 1, "b": 2}, "status": {"c": 3}}
    kept, secrets = outputs(live, {"spec": {"a": 1}})
    assert kept == {
        **live,
        "__inputs": {"spec": {"a": 1}},
        "__initialApiVersion": "v1",
        "__fieldManager": "me",
    }
    assert secrets == set()


def test_what_came_as_a_secret_stays_one() -> None:
    asked = {"spec": {"token": "t", "host": "h"}}
    _, secrets = outputs({**asked, "status": {}}, asked, ("spec", "token"))
    assert secrets == {("spec", "token"), ("__inputs", "spec", "token")}


def test_the_content_of_secrets_is_secret_wherever_it_came_from() -> None:
    text = {"apiVersion": "v1", "kind": "Secret", "stringData": {"a": "b"}}
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "b", "x": "y"}
    live = {**text, "metadata": {"annotations": annotations}, "data": {"a": "Yg=="}}
    _, secrets = outputs(live, text)
    assert secrets == {
        ("data",),
        ("stringData",),
        ("metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"),
        ("__inputs", "stringData"),
    }


def test_a_kind_of_another_group_called_secret_is_no_secret() -> None:
    obj = {"apiVersion": "ex.io/v1", "kind": "Secret", "data": {"a": "b"}}
    assert outputs(obj, obj)[1] == set()


def test_every_secret_text_is_known_to_keep_it_out_of_messages() -> None:
    given = typed(
        {"kind": "Secret", "apiVersion": "v1", "data": {"a": "one"}, "x": ["two"]}, [("x",)]
    )
    assert state.secret_texts(given) == {"one", "two"}


def test_only_what_can_be_asked_for_is_sent() -> None:
    asked: Object = {
        "metadata": {"name": "a", "uid": "1", "resourceVersion": "2", "managedFields": []},
        "spec": {"absent": None, "kept": {"null": None, "list": [None]}},
        "__inputs": {},
        "__fieldManager": "x",
    }
    assert state.wanted(typed(asked)) == {
        "metadata": {"name": "a"},
        "spec": {"kept": {"list": [None]}},
    }


def test_names_that_no_sdk_can_spell_are_put_right_and_back() -> None:
    schema = {"items": [{"x_kubernetes_int_or_string": True}]}
    sent = state.wanted(typed({"schema": schema}))
    assert sent == {"schema": {"items": [{"x-kubernetes-int-or-string": True}]}}
    assert outputs(sent, {})[0]["schema"] == schema


DRY_RUN: Object = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "a", "uid": "made-up", "resourceVersion": "0"},
    "spec": {"clusterIP": "10.0.0.1", "type": "ClusterIP"},
    "status": {"loadBalancer": {}},
}


@pytest.mark.parametrize(
    "path",
    [("metadata", "uid"), ("metadata", "resourceVersion"), ("status",), ("spec", "clusterIP")],
)
def test_a_preview_does_not_know_what_only_a_creation_decides(path: Path) -> None:
    assert at(state.previewed_creation(DRY_RUN, {"spec": {}}), *path) is UNKNOWN


def test_a_preview_knows_what_was_asked_for_and_what_the_server_defaults() -> None:
    seen = state.previewed_creation(DRY_RUN, {"spec": {"clusterIP": "10.0.0.1"}})
    assert seen["metadata"]["name"] == "a"
    assert seen["spec"] == DRY_RUN["spec"]
    assert DRY_RUN["metadata"]["uid"] == "made-up"


def test_a_preview_of_an_update_still_knows_who_the_object_is() -> None:
    live = {"metadata": {"name": "a", "uid": "1", "generation": 1}, "spec": {"x": 1}}
    for seen in (
        state.previewed_update(live),
        state.echoed_update({"metadata": {"name": "a"}, "spec": {"x": 1}}, live),
    ):
        assert seen["metadata"]["uid"] == "1"
        assert seen["metadata"]["generation"] is UNKNOWN
        assert seen["spec"] == {"x": 1}


def test_an_import_takes_over_what_a_person_would_have_written() -> None:
    live = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "a",
            "uid": "1",
            "annotations": {"deployment.kubernetes.io/revision": "1"},
        },
        "spec": {"replicas": 1},
        "status": {"replicas": 1},
    }
    assert state.imported(live) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a"},
        "spec": {"replicas": 1},
    }
