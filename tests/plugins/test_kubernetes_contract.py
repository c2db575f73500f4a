"""The Kubernetes plugin against a real API server, spoken to as the engine does.

PLUGIN=vendor runs the same tests against the vendor's binary; what he does not promise is marked.
"""

import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from google.protobuf import empty_pb2
from kubernetes_plugin import Kept, Kubectl, Objects, not_ready
from pulumi.runtime.proto import provider_pb2
from started_plugin import ENGINE, VENDOR, Call, alive, eventually, failing, ours_only, started

from embedded.cluster import CONTEXT, Cluster
from plugins.values import UNKNOWN, Object

pytestmark = pytest.mark.engine

DiffResponse = provider_pb2.DiffResponse
PropertyDiff = provider_pb2.PropertyDiff


NAMESPACE = "contract"


@pytest.fixture(scope="module")
def cluster(control_plane: Cluster) -> Iterator[Cluster]:
    """The tests' cluster, on which nothing of ours is left."""
    own = Kubectl(control_plane.kubeconfig)
    own("create", "namespace", NAMESPACE)
    before = everything_elsewhere(own)
    yield control_plane
    made = sorted(everything_elsewhere(own) - before)
    # The namespace would wait for its pods to end with grace.
    own("delete", "deployments,pods", "--all", f"--namespace={NAMESPACE}", "--now")
    own("delete", f"namespace/{NAMESPACE}", *made)


def everything_elsewhere(kubectl: Kubectl) -> set[str]:
    """Of what the tests make outside their namespace."""
    listing = kubectl("get", "namespaces,customresourcedefinitions", "-o", "name")
    return set(listing.split())


@pytest.fixture(scope="module")
def kubectl(cluster: Cluster) -> Kubectl:
    return Kubectl(cluster.kubeconfig, NAMESPACE)


@pytest.fixture(scope="module")
def objects(cluster: Cluster) -> Iterator[Objects]:
    options = {"kubeconfig": str(cluster.kubeconfig), "context": CONTEXT}
    with started("kubernetes", "", options=options) as plugin:
        yield Objects(plugin)


@pytest.fixture
def other(cluster: Cluster, tmp_path: Path) -> Iterator[Callable[..., Objects]]:
    """A plugin with options of its own; its environment knows of no other cluster."""
    del cluster
    opened: list[Any] = []
    environment = {
        **{key: value for key, value in os.environ.items() if key != "KUBECONFIG"},
        "HOME": str(tmp_path),
    }

    def start(*, under: tuple[str, ...] = (), **options: str) -> Objects:
        plugin = started(
            "kubernetes", "", options=options, environment=environment, cwd=tmp_path, under=under
        )
        opened.append(plugin)
        return Objects(plugin.__enter__())

    yield start
    for plugin in opened:
        plugin.__exit__(None, None, None)


_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"test-{next(_numbers)}"


def config_map(name: str, data: Object | None = None, **metadata: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE, **metadata},
        "data": data or {},
    }


def deployment(
    name: str, replicas: int = 1, annotations: Object | None = None, **pod: Any
) -> Object:
    labels = {"app": name}
    container = {"name": "main", "image": "nginx", **pod.pop("container", {})}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "annotations": annotations or {}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, **pod},
            },
        },
    }


def service(name: str, selector: Object, **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": selector, "ports": [{"port": 80}], **spec},
    }


def live(kubectl: Kubectl, obj: Object) -> Object:
    where = f"{obj['kind'].lower()}/{obj['metadata']['name']}"
    return json.loads(kubectl("get", where, "-o", "json", "--show-managed-fields"))


# -- creating


def test_a_created_object_is_the_live_one(objects: Objects, kubectl: Kubectl, name: str) -> None:
    kept = objects.create(config_map(name, {"a": "1"}))
    there = live(kubectl, config_map(name))
    assert kept.id == f"{NAMESPACE}/{name}"
    assert kept.live["metadata"]["uid"] == there["metadata"]["uid"]
    assert kept.live["metadata"]["resourceVersion"] == there["metadata"]["resourceVersion"]
    assert kept.live["__fieldManager"].startswith("pulumi-kubernetes-")
    assert there["data"] == {"a": "1"}


def test_an_object_without_a_name_or_a_namespace_gets_both(objects: Objects, name: str) -> None:
    obj: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}
    kept = objects.create(obj, name=name)
    namespace, _, given = kept.id.partition("/")
    assert (namespace, given.startswith(f"{name}-")) == ("default", True)
    assert kept.asked["metadata"]["annotations"] == {"pulumi.com/autonamed": "true"}
    objects.delete(kept)


def test_what_lies_outside_namespaces_has_its_name_for_an_id(objects: Objects, name: str) -> None:
    obj: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    kept = objects.create(obj)
    assert kept.id == name
    assert kept.live["status"] == {"phase": "Active"}


def test_creating_what_exists_is_an_error_and_changes_nothing(
    objects: Objects, kubectl: Kubectl, name: str
) -> None:
    kubectl("create", "configmap", name, "--from-literal=a=theirs")
    with failing() as said:
        objects.create(config_map(name, {"a": "ours"}))
    assert "already exists" in said[0]
    assert name in said[0]
    assert "Traceback" not in said[0]
    assert live(kubectl, config_map(name))["data"] == {"a": "theirs"}


def test_an_existing_object_is_taken_over_where_the_provider_says_so(
    other: Callable[..., Objects], cluster: Cluster, kubectl: Kubectl, name: str
) -> None:
    kubectl("create", "configmap", name, "--from-literal=b=theirs")
    objects = other(
        kubeconfig=str(cluster.kubeconfig), upsertExistingObjects="true", enablePatchForce="true"
    )
    objects.create(config_map(name, {"a": "ours"}))
    assert live(kubectl, config_map(name))["data"]["a"] == "ours"


def test_a_kind_can_be_used_as_soon_as_it_is_defined(objects: Objects, name: str) -> None:
    widget = Widgets(objects, name)
    widget.define()
    assert objects.create(widget.of(name, {"x": 1})).live["spec"] == {"x": 1}


def test_many_objects_are_created_at_once(objects: Objects, kubectl: Kubectl, name: str) -> None:
    names = {f"{name}-{index}" for index in range(20)}
    calls = [Call(partial(objects.create, config_map(one, {"a": one}))) for one in names]
    assert {call.ended() for call in calls} == {""}
    there = json.loads(kubectl("get", "configmaps", "-o", "json"))["items"]
    assert {one["data"]["a"] for one in there if one["metadata"]["name"] in names} == names


class Widgets:
    """A kind of its own for a test, whose status nobody but the test writes."""

    def __init__(self, objects: Objects, name: str, scope: str = "Namespaced") -> None:
        self.objects, self.name, self.scope = objects, name, scope
        self.kind = name.replace("-", "").capitalize()
        self.plural = f"{self.kind.lower()}s"

    def definition(self) -> Object:
        schema = {"type": "object", "x_kubernetes_preserve_unknown_fields": True}
        version: Object = {
            "name": "v1",
            "served": True,
            "storage": True,
            "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": schema},
        }
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{self.plural}.example.com"},
            "spec": {
                "group": "example.com",
                "scope": self.scope,
                "names": {"plural": self.plural, "kind": self.kind},
                "versions": [version],
            },
        }

    def define(self) -> Kept:
        return self.objects.create(self.definition(), name=f"{self.name}-crd")

    def of(self, name: str, spec: Object, **annotations: str) -> Object:
        metadata = {
            "name": name,
            "namespace": NAMESPACE,
            "annotations": {f"pulumi.com/{key}": value for key, value in annotations.items()},
        }
        return {
            "apiVersion": "example.com/v1",
            "kind": self.kind,
            "metadata": metadata,
            "spec": spec,
        }

    def set_status(self, kubectl: Kubectl, name: str, status: Object) -> None:
        patch = json.dumps({"status": status})
        what = f"{self.plural}.example.com/{name}"
        kubectl("patch", what, "--subresource=status", "--type=merge", f"--patch={patch}")


@pytest.fixture(scope="module")
def widgets(objects: Objects) -> Widgets:
    """A kind for all tests that do not care when it was defined: its first seconds are slow."""
    shared = Widgets(objects, "shared")
    shared.define()
    return shared


# -- previews


def test_a_preview_creates_nothing_and_knows_what_the_server_would_default(
    objects: Objects, kubectl: Kubectl, name: str
) -> None:
    seen = objects.create(service(name, {"app": name}), preview=True)
    assert seen.id == ""
    assert seen.live["spec"]["sessionAffinity"] == "None"
    assert kubectl("get", "service", name, "--ignore-not-found") == ""


@ours_only
def test_a_preview_does_not_know_what_only_the_creation_decides(
    objects: Objects, name: str
) -> None:
    seen = objects.create(service(name, {"app": name}, type="NodePort"), preview=True).live
    assert seen["metadata"]["uid"] is UNKNOWN
    assert seen["metadata"]["resourceVersion"] is UNKNOWN
    assert seen["spec"]["clusterIP"] is UNKNOWN
    assert seen["spec"]["ports"][0]["nodePort"] is UNKNOWN
    assert seen["status"] is UNKNOWN
    assert seen["metadata"]["name"] == name


def test_a_preview_in_a_namespace_that_is_yet_to_come_echoes_the_inputs(
    objects: Objects, name: str
) -> None:
    seen = objects.create(config_map(name, {"a": "1"}, namespace=f"{name}-to-come"), preview=True)
    assert seen.live["data"] == {"a": "1"}


def test_a_preview_of_a_kind_that_is_yet_to_come_echoes_the_inputs(
    objects: Objects, name: str
) -> None:
    unknown = Widgets(objects, name).of(name, {"x": 1})
    assert objects.create(unknown, preview=True).live["spec"] == {"x": 1}


def test_a_preview_of_what_exists_already_succeeds(
    objects: Objects, kubectl: Kubectl, name: str
) -> None:
    kubectl("create", "configmap", name)
    assert objects.create(config_map(name, {"a": "1"}), preview=True).live["data"] == {"a": "1"}


def test_inputs_that_are_not_known_yet_are_never_sent(objects: Objects, name: str) -> None:
    seen = objects.create(config_map(name, {"a": UNKNOWN, "b": "1"}), preview=True).live
    assert seen["data"] == {"a": UNKNOWN, "b": "1"}


def test_a_preview_tells_what_the_server_would_refuse(objects: Objects, name: str) -> None:
    with failing() as said:
        objects.create(service(name, {}, ports=[{"port": 123456}]), preview=True)
    assert "spec.ports[0].port" in said[0]


def test_a_preview_of_an_update_changes_nothing_and_knows_the_outcome(
    objects: Objects, kubectl: Kubectl, name: str
) -> None:
    kept = objects.create(config_map(name, {"a": "1"}))
    seen = objects.update(kept, config_map(name, {"a": "2"}), preview=True).live
    assert seen["data"] == {"a": "2"}
    assert seen["metadata"]["uid"] == kept.live["metadata"]["uid"]
    assert live(kubectl, config_map(name))["data"] == {"a": "1"}


# -- updating


def test_an_update_changes_adds_and_removes_fields(
    objects: Objects, kubectl: Kubectl, name: str
) -> None:
    kept = objects.create(config_map(name, {"a": "1", "b": "1"}, labels={"x": "y"}))
    after = objects.update(kept, config_map(name, {"a": "2", "c": "3"}))
    assert live(kubectl, config_map(name))["data"] == {"a": "2", "c": "3"}
    assert "labels" not in live(kubectl, config_map(name))["metadata"]
    assert after.live["data"] == {"a": "2", "c": "3"}


def test_a_crd_loses_what_its_new_version_has_not(
    objects: Objects, kubectl: Kubectl, name: str
) -> None:
    widget = Widgets(objects, name)
    kept = widget.define()
    new = widget.definition()
    new["spec"]["names"]["shortNames"] = [name]
    kept = objects.update(kept, new)
    assert kept.live["spec"]["names"]["shortNames"] == [name]
    objects.update(kept, widget.definition())
    there = json.loads(kubectl("get", "crd", f"{widget.plural}.example.com", "-o", "json"))
    assert "shortNames" not in there["spec"]["names"]


def test_an_update_leaves_alone_what_others_added(
    objects: Objects, kubectl: Kubectl, name: str
) -> None:
    kept = objects.create(config_map(name, {"a": "1"}))
    theirs = yaml.safe_dump(config_map(name, {"theirs": "1"}))
    kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=theirs)
    objects.update(kept, config_map(name, {"a": "2"}))
    assert live(kubectl, config_map(name))["data"] == {"a": "2", "theirs": "1"}


def scaled_by_another(kubectl: Kubectl, name: str, replicas: int) -> None:
    theirs = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"replicas": replicas},
    }
    options = ("--server-side", "--force-conflicts", "--field-manager=autoscaler")
    kubectl("apply", *options, "-f", "-", stdin=yaml.safe_dump(theirs))


def test_a_conflict_names_the_other_manager_and_the_field(
    objects: Objects, kubectl: Kubectl, name: str
) -> None:
    kept = objects.create(deployment(name, 1))
    scaled_by_another(kubectl, name, 2)
    with failing() as said:
        objects.update(kept, deployment(name, 3))
    assert "autoscaler" in said[0]
    assert "spec.replicas" in said[0]
    assert VENDOR or "`ignore_changes`" in said[0]
    assert live(kubectl, deployment(name))["spec"]["replicas"] == 2


def test_an_annotation_wins_a_conflict(objects: Objects, kubectl: Kubectl, name: str) -> None:
    kept = objects.create(deployment(name, 1))
    scaled_by_another(kubectl, name, 2)
    objects.update(kept, deployment(name, 3, {"pulumi.com/patchForce": "true"}))
    assert live(kubectl, deployment(name))["spec"]["replicas"] == 3


def test_the_provider_can_win_every_conflict(
    other: Callable[..., Objects], cluster: Cluster, kubectl: Kubectl, name: str
) -> None:
    objects = other(kubeconfig=str(cluster.kubeconfig), enablePatchForce="true")
    kept = objects.create(deployment(name, 1))
    scaled_by_another(kubectl, name, 2)
    objects.update(kept, deployment(name, 3))
    assert live(kubectl, deployment(name))["spec"]["replicas"] == 3


def test_an_ignored_field_stays_what_another_manager_made_it(
    objects: Objects, kubectl: Kubectl, name: str
) -> None:
    kept = objects.create(deployment(name, 1))
    scaled_by_another(kubectl, name, 2)
    new = deployment(name, 1, container={"image": "nginx:2"})
    assert objects.diff(kept, deployment(name, 5), ignore=["spec.replicas"]).changes == (
        DiffResponse.DIFF_NONE
    )
    objects.update(kept, new, ignore=["spec.replicas"])
    assert live(kubectl, deployment(name))["spec"]["replicas"] == 2


def test_an_object_made_with_kubectl_can_be_updated_after_an_import(
    objects: Objects, kubectl: Kubectl, name: str
) -> None:
    kubectl("create", "configmap", name, "--from-literal=a=1", "--from-literal=b=1")
    kept = objects.read_id(f"{NAMESPACE}/{name}", "kubernetes:core/v1:ConfigMap")
    objects.update(kept, config_map(name, {"a": "2"}))
    assert live(kubectl, config_map(name))["data"] == {"a": "2"}


@ours_only
def test_an_update_of_what_was_deleted_by_hand_says_so(
    objects: Objects, kubectl: Kubectl, name: str
) -> None:
    kept = objects.create(config_map(name))
    kubectl("delete", "configmap", name)
    with failing() as said:
        objects.update(kept, config_map(name, {"a": "1"}))
    assert "pulumi refresh" in said[0]


# -- what changed


def test_nothing_changed_is_no_difference(objects: Objects, name: str) -> None:
    kept = objects.create(deployment(name))
    assert objects.diff(kept, deployment(name)).changes == DiffResponse.DIFF_NONE


def test_a_difference_is_told_in_detail(objects: Objects, name: str) -> None:
    kept = objects.create(deployment(name, 1))
    found = objects.diff(kept, deployment(name, 2))
    assert found.changes == DiffResponse.DIFF_SOME
    assert {path: diff.kind for path, diff in found.detailedDiff.items()} == {
        "spec.replicas": PropertyDiff.UPDATE
    }
    assert not found.replaces


def test_a_fixed_field_replaces_a_named_object_after_its_deletion(
    objects: Objects, name: str
) -> None:
    kept = objects.create(deployment(name))
    new = deployment(name)
    new["spec"]["selector"]["matchLabels"] = {"other": name}
    new["spec"]["template"]["metadata"]["labels"] = {"other": name}
    found = objects.diff(kept, new)
    assert any(path.startswith("spec.selector.matchLabels") for path in found.replaces)
    assert found.deleteBeforeReplace


def test_an_autonamed_object_is_replaced_before_its_deletion(objects: Objects, name: str) -> None:
    old: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}, "data": {"a": "1"}}
    kept = objects.create(old, name=name)
    found = objects.diff(kept, {**old, "data": {"a": "2"}})
    objects.delete(kept)
    assert list(found.replaces) == ["data.a"]
    assert not found.deleteBeforeReplace


def test_a_new_name_replaces_an_object_before_its_deletion(objects: Objects, name: str) -> None:
    found = objects.diff(objects.create(config_map(name)), config_map(f"{name}-new"))
    assert list(found.replaces) == ["metadata.name"]
    assert not found.deleteBeforeReplace


# -- refreshes, and imports of what exists


def test_a_refresh_finds_hand_edits_that_the_next_update_puts_right(
    objects: Objects, kubectl: Kubectl, name: str
) -> None:
    asked = config_map(name, {"a": "1", "b": "1"})
    kept = objects.create(asked)
    kubectl("patch", "configmap", name, "--patch", '{"data": {"a": "edited", "b": null}}')
    seen = objects.read(kept)
    assert seen.live["data"] == {"a": "edited"}
    found = objects.diff(seen, asked)
    assert {path: diff.kind for path, diff in found.detailedDiff.items()} == {
        "data.a": PropertyDiff.UPDATE_REPLACE,
        "data.b": PropertyDiff.ADD_REPLACE,
    }
    objects.update(seen, asked)
    assert live(kubectl, asked)["data"] == {"a": "1", "b": "1"}


def test_a_refresh_without_hand_edits_finds_no_difference(objects: Objects, name: str) -> None:
    asked = deployment(
        name,
        container={
            "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}},
            "env": [{"name": "A", "value": ""}],
            "ports": [{"containerPort": 80}],
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        },
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    kept = objects.create(asked)
    assert objects.diff(objects.read(kept), asked).changes == DiffResponse.DIFF_NONE


def test_what_was_deleted_by_hand_is_gone_after_a_refresh(
    objects: Objects, kubectl: Kubectl, name: str
) -> None:
    kept = objects.create(config_map(name))
    kubectl("delete", "configmap", name)
    assert objects.read(kept).id == ""


def test_an_object_can_be_imported_by_its_id(objects: Objects, kubectl: Kubectl, name: str) -> None:
    kubectl("create", "configmap", name, "--from-literal=a=1")
    kept = objects.read_id(f"{NAMESPACE}/{name}", "kubernetes:core/v1:ConfigMap")
    assert kept.id == f"{NAMESPACE}/{name}"
    assert kept.asked["data"] == {"a": "1"}
    assert "uid" not in kept.asked["metadata"]
    assert objects.diff(kept, config_map(name, {"a": "1"})).changes == DiffResponse.DIFF_NONE


def test_an_id_without_a_namespace_is_read_in_the_default_one(
    objects: Objects, kubectl: Kubectl, name: str
) -> None:
    kubectl("create", "configmap", name, "--namespace=default")
    kept = objects.read_id(name, "kubernetes:core/v1:ConfigMap")
    objects.delete(kept)
    assert kept.live["metadata"]["name"] == name
    assert objects.read_id("kube-system", "kubernetes:core/v1:Namespace").id == "kube-system"


# -- readiness


def test_a_deployment_is_created_when_its_pods_are_available(objects: Objects, name: str) -> None:
    kept = objects.create(deployment(name, 2))
    assert kept.live["status"]["availableReplicas"] == 2
    kept = objects.update(kept, deployment(name, 3, container={"image": "nginx:2"}))
    assert kept.live["status"]["updatedReplicas"] == 3
    assert kept.live["status"]["availableReplicas"] == 3


def test_what_does_not_become_ready_is_kept_with_the_reasons(objects: Objects, name: str) -> None:
    wish = {"requests": {"example.com/gpu": "1"}, "limits": {"example.com/gpu": "1"}}
    obj = deployment(name, container={"resources": wish})
    with pytest.raises(grpc.RpcError) as caught:
        objects.create(obj, timeout=2)
    found = not_ready(caught.value, obj)
    assert found.kept.id == f"{NAMESPACE}/{name}"
    assert found.kept.live["metadata"]["name"] == name
    assert "Insufficient example.com/gpu" in "\n".join(found.reasons)

    mended = objects.update(found.kept, deployment(name))
    assert mended.live["status"]["availableReplicas"] == 1


@ours_only
def test_a_rollout_that_failed_is_not_awaited_to_the_end(objects: Objects, name: str) -> None:
    obj = deployment(name, nodeSelector={"no": "where"})
    obj["spec"]["progressDeadlineSeconds"] = 1
    began = time.monotonic()
    with failing() as said:
        objects.create(obj, timeout=60)
    assert "its rollout failed" in said[0]
    assert time.monotonic() - began < 30


def test_a_service_is_created_when_a_pod_serves_it(objects: Objects, name: str) -> None:
    with failing() as said:
        objects.create(service(name, {"app": name}), timeout=2)
    assert name in said[0]
    objects.create(deployment(name))
    assert objects.create(service(f"{name}-2", {"app": name})).id == f"{NAMESPACE}/{name}-2"
    assert objects.create(service(f"{name}-3", {"app": "none"}, clusterIP="None")).id


def test_nothing_is_awaited_where_an_annotation_says_so(objects: Objects, name: str) -> None:
    obj = service(name, {"app": "none"})
    obj["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    began = time.monotonic()
    objects.create(obj)
    assert time.monotonic() - began < 5


READY = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Up"}
NOT_READY = {"conditions": [{"type": "Ready", "status": "False", "reason": "NoImage"}]}


@pytest.mark.parametrize(
    "expression",
    [
        "condition=Ready",
        "jsonpath={.status.phase}=Up",
        '["condition=Ready", "jsonpath={.status.phase}"]',
    ],
)
def test_an_object_of_any_kind_is_awaited_by_its_annotation(
    objects: Objects, kubectl: Kubectl, widgets: Widgets, name: str, expression: str
) -> None:
    creation = Call(lambda: objects.create(widgets.of(name, {}, waitFor=expression)))
    what = f"{widgets.plural}.example.com"
    assert eventually(lambda: bool(kubectl("get", what, name, "--ignore-not-found")))
    widgets.set_status(kubectl, name, NOT_READY)
    time.sleep(0.3)
    assert creation.running
    widgets.set_status(kubectl, name, READY)
    assert creation.ended() == ""


def test_a_condition_that_does_not_come_true_is_told(
    objects: Objects, widgets: Widgets, name: str
) -> None:
    obj = widgets.of(name, {}, waitFor="condition=Ready", timeoutSeconds="1")
    with failing() as said:
        objects.create(obj, timeout=0)
    assert "Ready" in said[0]


@ours_only
def test_an_annotation_that_makes_no_sense_is_refused_before_anything_is_made(
    objects: Objects, name: str
) -> None:
    annotations = {"pulumi.com/waitFor": "jsonpath=.status"}
    failures = objects.check(config_map(name, annotations=annotations)).failures
    assert "jsonpath=.status" in failures[0].reason


def test_a_cancellation_ends_the_waiting_and_keeps_the_object(
    other: Callable[..., Objects], cluster: Cluster, name: str
) -> None:
    objects = other(kubeconfig=str(cluster.kubeconfig))
    creation = Call(lambda: objects.create(service(name, {"app": "none"}), timeout=60))
    time.sleep(1.5)
    objects.plugin.stub.Cancel(empty_pb2.Empty())
    assert name in creation.ended(10)


# -- deleting


def test_a_deleted_object_is_gone(objects: Objects, kubectl: Kubectl, name: str) -> None:
    kept = objects.create(deployment(name))
    objects.delete(kept)
    assert kubectl("get", "deployment", name, "--ignore-not-found") == ""
    assert kubectl("get", "pods", "-l", f"app={name}", "--ignore-not-found") == ""


def test_deleting_what_is_gone_succeeds(objects: Objects, kubectl: Kubectl, name: str) -> None:
    kept = objects.create(config_map(name))
    kubectl("delete", "configmap", name)
    objects.delete(kept)


def test_an_object_is_deleted_when_its_kind_is_gone(objects: Objects, name: str) -> None:
    widget = Widgets(objects, name)
    definition = widget.define()
    kept = objects.create(widget.of(name, {}))
    objects.delete(definition)
    objects.delete(kept)


def test_a_deletion_waits_for_finalizers_and_names_those_that_stay(
    objects: Objects, kubectl: Kubectl, name: str
) -> None:
    kept = objects.create(config_map(name, finalizers=["example.com/hold"]))
    with failing() as said:
        objects.delete(kept, timeout=1)
    assert VENDOR or "example.com/hold" in said[0]

    deletion = Call(lambda: objects.delete(kept))
    time.sleep(0.5)
    assert deletion.running
    kubectl(
        "patch", "configmap", name, "--type=merge", '--patch={"metadata": {"finalizers": null}}'
    )
    assert deletion.ended() == ""


# -- secrets


def test_secrets_stay_secret(objects: Objects, kubectl: Kubectl, name: str) -> None:
    obj: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "stringData": {"token": "hunter22"},
    }
    kept = objects.create(obj)
    assert {("data",), ("stringData",)} & kept.secrets
    assert ("data",) in objects.read(kept).secrets
    plain = {key: value for key, value in kept.live.items() if key not in {"data", "stringData"}}
    plain.pop("__inputs", None)
    assert "hunter22" not in json.dumps(plain)
    assert "hunter22" not in objects.log.text
    there = json.loads(kubectl("get", "secret", name, "-o", "json"))
    assert there["data"] == {"token": "aHVudGVyMjI="}


def test_a_secret_input_of_any_kind_is_a_secret_output(objects: Objects, name: str) -> None:
    kept = objects.create(config_map(name, {"a": "s3cret", "b": "1"}), secrets=[("data", "a")])
    assert ("data", "a") in kept.secrets
    assert ("data", "b") not in kept.secrets


@ours_only
def test_a_refusal_does_not_quote_a_secret(objects: Objects, name: str) -> None:
    obj = config_map(name, labels={"a": "not a label!"})
    with failing() as said:
        objects.create(obj, secrets=[("metadata", "labels", "a")])
    assert "not a label!" not in said[0]
    assert "[secret]" in said[0]


# -- which cluster


def test_the_content_of_a_kubeconfig_leads_to_the_cluster(
    other: Callable[..., Objects], cluster: Cluster, name: str
) -> None:
    objects = other(kubeconfig=cluster.kubeconfig.read_text())
    assert objects.create(config_map(name)).live["metadata"]["uid"]


def test_the_namespace_of_the_provider_is_the_default(
    other: Callable[..., Objects], cluster: Cluster, name: str
) -> None:
    objects = other(kubeconfig=str(cluster.kubeconfig), namespace="kube-public")
    obj = config_map(name)
    del obj["metadata"]["namespace"]
    kept = objects.create(obj)
    objects.delete(kept)
    assert kept.id == f"kube-public/{name}"


def test_another_context_is_never_used(
    other: Callable[..., Objects], cluster: Cluster, kubectl: Kubectl, name: str
) -> None:
    objects = other(kubeconfig=str(cluster.kubeconfig), context="not-there")
    with failing() as said:
        objects.create(config_map(name))
    assert "not-there" in said[0]
    assert kubectl("get", "configmap", name, "--ignore-not-found") == ""


def dead_kubeconfig() -> str:
    """Leads to a port that nobody listens on."""
    return yaml.safe_dump(
        {
            "current-context": "dead",
            "contexts": [{"name": "dead", "context": {"cluster": "dead", "user": "dead"}}],
            "clusters": [{"name": "dead", "cluster": {"server": "https://127.0.0.1:1"}}],
            "users": [{"name": "dead", "user": {}}],
        }
    )


def test_a_cluster_that_is_not_there_does_not_stop_a_preview(
    other: Callable[..., Objects], name: str
) -> None:
    objects = other(kubeconfig=dead_kubeconfig())
    seen = objects.create(config_map(name, {"a": "1"}), preview=True)
    assert seen.live["data"] == {"a": "1"}
    role: Object = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
    }
    assert "namespace" not in objects.create(role, preview=True).live["metadata"]


def test_a_cluster_that_is_not_there_is_told_in_one_line(
    other: Callable[..., Objects], name: str
) -> None:
    objects = other(kubeconfig=dead_kubeconfig())
    with failing() as said:
        objects.create(config_map(name))
    assert "unreachable" in said[0]
    assert VENDOR or "https://127.0.0.1:1" in said[0]
    assert VENDOR or "\n" not in said[0]


def test_objects_of_a_lost_cluster_can_be_forgotten(
    other: Callable[..., Objects], objects: Objects, name: str
) -> None:
    kept = objects.create(config_map(name))
    with failing() as said:
        other(kubeconfig=dead_kubeconfig()).delete(kept)
    assert "PULUMI_K8S_DELETE_UNREACHABLE" in said[0]
    forgetful = other(kubeconfig=dead_kubeconfig(), deleteUnreachable="true")
    forgetful.delete(kept)
    assert forgetful.read(kept).id == ""


A, B = ({"kubeconfig": dead_kubeconfig().replace("127.0.0.1:1", host)} for host in ("a", "b"))


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        (A, B, ["kubeconfig"]),
        (A, {**A, "namespace": "x"}, []),
        ({**A, "clusterIdentifier": "1"}, {**B, "clusterIdentifier": "1"}, []),
        ({**A, "clusterIdentifier": "1"}, {**A, "clusterIdentifier": "2"}, ["clusterIdentifier"]),
        (A, {"kubeconfig": UNKNOWN}, ["kubeconfig"]),
        ({**A, "clusterIdentifier": "1"}, {"kubeconfig": UNKNOWN, "clusterIdentifier": "1"}, []),
        (A, {**A, "clusterIdentifier": "1"}, []),
    ],
)
def test_a_provider_is_replaced_only_when_it_leads_to_another_cluster(
    objects: Objects, old: Object, new: Object, replaces: list[str]
) -> None:
    found = objects.diff_config(old, new)
    assert found.changes == DiffResponse.DIFF_SOME
    assert list(found.replaces) == replaces


# -- the process


@ours_only
def test_the_plugin_ends_with_its_engine(other: Callable[..., Objects]) -> None:
    objects = other(under=ENGINE, kubeconfig=dead_kubeconfig())
    engine = objects.plugin.process
    children = Path(f"/proc/{engine.pid}/task/{engine.pid}/children")
    if not children.exists():
        pytest.skip("this system does not list a process's children")
    (plugin,) = map(int, children.read_text().split())
    os.kill(engine.pid, signal.SIGKILL)
    engine.wait()
    assert eventually(lambda: not alive(plugin))


@ours_only
def test_many_unchanged_objects_are_checked_fast(objects: Objects, name: str) -> None:
    kept = [objects.create(config_map(f"{name}-{index}")) for index in range(20)]
    began = time.monotonic()
    threads = [
        threading.Thread(target=objects.diff, args=(one, config_map(f"{name}-{index}")))
        for index, one in enumerate(kept)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 1
