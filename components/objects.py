import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from stack.kinds import Manifest

WAIT_FOR = "pulumi.com/waitFor"
STRICT: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""Of a container, as a provider's object says it: the restricted Pod Security Standard."""


class KubernetesObject(pulumi.CustomResource):
    """An object of a kind that the SDK has no type for."""

    spec: pulumi.Output[Any]
    status: pulumi.Output[Any]
    """What the cluster says of it; None where it says nothing."""

    def __init__(
        self,
        name: str,
        *,
        api_version: str,
        kind: str,
        metadata: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """`body` is all of it but kind and metadata; with an `id` in `opts` it is what is there."""
        group = api_version if "/" in api_version else f"core/{api_version}"
        said = {"apiVersion": api_version, "kind": kind, "metadata": metadata}
        told = {"spec": None, **(body or {}), "status": None}
        super().__init__(f"kubernetes:{group}:{kind}", name, {**said, **told}, opts)


def made(
    name: str,
    manifest: Manifest,
    namespace: str,
    labels: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> KubernetesObject:
    """A manifest's object; `name` is its owner's."""
    metadata: dict[str, Any] = {"name": manifest.name, "labels": dict(labels)}
    if manifest.annotations:
        metadata["annotations"] = dict(manifest.annotations)
    if manifest.is_namespaced:
        metadata["namespace"] = namespace
    return KubernetesObject(
        f"{name}-{manifest.role}",
        api_version=manifest.api_version,
        kind=manifest.kind,
        metadata=metadata,
        body=manifest.body,
        opts=opts,
    )


def told_if_there(name: str, way_out: str) -> pulumi.ResourceOptions:
    """Options that have the way out said, once, where an object is somebody else's already.

    `name` is that of no other such options.
    """
    told: list[str] = []

    def tell(failed: pulumi.ErrorHookArgs) -> bool:
        if not told and any("already exists" in error for error in failed.errors):
            told.append(failed.urn)
            pulumi.log.error(f"what is there already is not this stack's: {way_out}")
        return False  # a second try would end in the same way

    hook = pulumi.ErrorHook(f"{name}-is-there", tell)
    return pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(on_error=[hook]))


def waiting_for(conditions: Sequence[str]) -> dict[str, Any]:
    """Metadata that has the update wait until all of them hold."""
    return {"annotations": {WAIT_FOR: json.dumps([*conditions])}} if conditions else {}
