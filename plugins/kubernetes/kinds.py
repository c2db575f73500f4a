"""What is known about kinds without asking a server."""

import re
from typing import NamedTuple

from plugins.values import Object, at

HELM_RELEASE = "kubernetes:helm.sh/v3:Release"
"""The one type of resources that is no object."""

Pattern = tuple[str, ...]
"""A path in an object; ``*`` stands for any element of a list."""


class Kind(NamedTuple):
    api_version: str
    kind: str

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    def __str__(self) -> str:
        return f"{self.api_version}/{self.kind}"


_TOKEN = re.compile(r"kubernetes:(?:core/)?(?P<api_version>[^:]+):(?P<kind>[^:]+)")


def from_token(token: str) -> Kind:
    """The kind behind a type token, such as ``kubernetes:apps/v1:Deployment``."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise ValueError(f"`{token}` is not a type of Kubernetes objects")
    return Kind(match["api_version"], match["kind"])


def of(obj: Object, token: str) -> Kind:
    """The kind of an object: what it says itself, else what its type token says."""
    said = from_token(token)
    return Kind(obj.get("apiVersion") or said.api_version, obj.get("kind") or said.kind)


def refused(obj: Object, token: str) -> str | None:
    """Why this plugin does not handle a type token, or None if it does."""
    said = from_token(token).kind
    if said.endswith("Patch") and obj.get("kind") == said.removesuffix("Patch"):
        return (
            f"`{token}` patches an object that something else made, which this stand-in for the "
            "vendor's Kubernetes plugin does not do"
        )
    if said.endswith("List") and "items" in obj and "spec" not in obj:
        return f"`{token}` is a list: register the objects in it one by one"
    return None


_CLUSTER_SCOPED = frozenset(
    {
        ("", "Namespace"),
        ("", "Node"),
        ("", "PersistentVolume"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        ("certificates.k8s.io", "CertificateSigningRequest"),
        ("certificates.k8s.io", "ClusterTrustBundle"),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
        ("gateway.networking.k8s.io", "GatewayClass"),
        ("networking.k8s.io", "IngressClass"),
        ("networking.k8s.io", "IPAddress"),
        ("networking.k8s.io", "ServiceCIDR"),
        ("node.k8s.io", "RuntimeClass"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
        ("resource.k8s.io", "DeviceClass"),
        ("resource.k8s.io", "ResourceSlice"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("storage.k8s.io", "CSIDriver"),
        ("storage.k8s.io", "CSINode"),
        ("storage.k8s.io", "StorageClass"),
        ("storage.k8s.io", "VolumeAttachment"),
        ("storage.k8s.io", "VolumeAttributesClass"),
    }
)


def probably_namespaced(kind: Kind) -> bool:
    """Whether objects of a kind lie in a namespace, when no server can tell."""
    return (kind.group, kind.kind) not in _CLUSTER_SCOPED


def is_crd(obj: Object) -> bool:
    return obj.get("kind") == "CustomResourceDefinition" and str(obj.get("apiVersion")).startswith(
        "apiextensions.k8s.io/"
    )


def _all(*paths: str) -> tuple[Pattern, ...]:
    return tuple(tuple(path.split(".")) for path in paths)


_IDENTITY = _all("kind", "metadata.name", "metadata.namespace")

_CONTAINER = [
    "args",
    "command",
    "env",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
]

_POD = [
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostname",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "shareProcessNamespace",
    "subdomain",
    "terminationGracePeriodSeconds",
    "volumes",
]

_VOLUME_SOURCES = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "glusterfs",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
]

# By group and kind: the vendor's table, and what else the API server never changes.
_FIXED: dict[tuple[str, str], tuple[Pattern, ...]] = {
    ("apps", "DaemonSet"): _all("spec.selector"),
    ("apps", "Deployment"): _all("spec.selector"),
    ("apps", "ReplicaSet"): _all("spec.selector"),
    ("apps", "StatefulSet"): _all(
        "spec.podManagementPolicy",
        "spec.revisionHistoryLimit",
        "spec.selector",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
    ),
    ("batch", "Job"): _all(
        "spec.completions", "spec.parallelism", "spec.selector", "spec.template"
    ),
    ("", "PersistentVolume"): _all(*(f"spec.{source}" for source in _VOLUME_SOURCES)),
    ("", "PersistentVolumeClaim"): _all(
        "spec.accessModes",
        "spec.dataSource",
        "spec.dataSourceRef",
        "spec.selector",
        "spec.storageClassName",
        "spec.volumeMode",
        "spec.volumeName",
    ),
    ("", "Pod"): _all(
        *(f"spec.{field}" for field in _POD),
        *(f"spec.containers.*.{field}" for field in _CONTAINER),
        *(f"spec.initContainers.*.{field}" for field in _CONTAINER),
    ),
    ("", "ResourceQuota"): _all("spec.scopes"),
    ("", "Secret"): _all("type"),
    ("", "Service"): _all("spec.clusterIP"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _all("roleRef"),
    ("rbac.authorization.k8s.io", "RoleBinding"): _all("roleRef"),
    ("storage.k8s.io", "StorageClass"): _all("parameters", "provisioner"),
}

_CONTENT = {"ConfigMap": _all("data", "binaryData"), "Secret": _all("data", "stringData")}


def fixed(old: Object, new: Object, *, mutable: frozenset[str]) -> tuple[Pattern, ...]:
    """Paths whose change replaces the object.

    `mutable` are those of ConfigMap and Secret whose content may be updated in place.
    """
    kind = Kind(str(new.get("apiVersion")), str(new.get("kind")))
    paths = _IDENTITY + _FIXED.get((kind.group, kind.kind), ())
    if Kind(str(old.get("apiVersion")), kind.kind).group != kind.group:
        paths = (*paths, ("apiVersion",))
    if kind.group or kind.kind not in _CONTENT:
        return paths
    if at(old, "immutable") is True:
        return (*paths, *_CONTENT[kind.kind], ("immutable",))
    if kind.kind not in mutable:
        return (*paths, *_CONTENT[kind.kind])
    return paths
