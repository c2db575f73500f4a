from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import pulumi
import pulumi_kubernetes as k8s
import pulumi_kubernetes.meta.v1 as meta

from components.objects import told_if_there
from stack import crds, plan


class CrdBundle(pulumi.ComponentResource):
    """Custom resource definitions of one project, all of one version."""

    checked: Sequence[pulumi.Output[pulumi.Resource]]
    """What was there and fits; the update stops where something does not."""

    def __init__(
        self, name: str, *, crds: plan.Crds, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("llm-d:components:CrdBundle", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.checked = [*_adopt(name, crds, child)] if crds.adopt else []
        if not crds.adopt:
            _install(name, crds, child)
        self.register_outputs({"version": crds.bundle.version})


def _install(name: str, bundle: plan.Crds, opts: pulumi.ResourceOptions) -> None:
    adopting = f"{bundle.key}: {bundle.adopting}"
    told = told_if_there(name, f"`{adopting}` takes the definitions that are there, if they fit")
    for document in crds.documents(bundle.bundle):
        k8s.apiextensions.CustomResource(
            f"{name}-{document['spec']['names']['plural']}.{document['spec']['group']}",
            api_version=document["apiVersion"],
            kind=document["kind"],
            metadata=document["metadata"],
            spec=document["spec"],
            opts=pulumi.ResourceOptions.merge(opts, told),
        )


def _adopt(
    name: str, bundle: plan.Crds, opts: pulumi.ResourceOptions
) -> Iterator[pulumi.Output[pulumi.Resource]]:
    """Read what is there; a version other than the release's stops the update."""
    for definition in (one for file in bundle.bundle.files for one in file.definitions):
        there = k8s.apiextensions.v1.CustomResourceDefinition.get(
            f"{name}-{definition}", definition, opts=opts
        )
        yield there.metadata.apply(partial(_check, there, definition, bundle))


def _check(
    there: pulumi.Resource,
    definition: str,
    bundle: plan.Crds,
    found: meta.outputs.ObjectMeta | None,
) -> pulumi.Resource:
    if found is None:
        wanted = f"{bundle.bundle.module} {bundle.bundle.version}"
        raise pulumi.RunError(
            f"the cluster has no `{definition}`, of {wanted}: install it, or `{bundle.key}: true` "
            "does"
        )
    check(found.annotations or {}, bundle)
    return there


def check(annotations: Mapping[str, str], bundle: plan.Crds) -> None:
    """RunError where the cluster's bundle is not the release's, as far as it says which it is."""
    if not bundle.bundle.annotation:
        return
    found, wanted = annotations.get(bundle.bundle.annotation), bundle.bundle.version
    if found != wanted:
        if why := bundle.bundle.refuses.get(found or ""):
            why = f" ({why})"
        raise pulumi.RunError(
            f"the cluster has {bundle.bundle.module} {found or 'of an unknown version'}, and the "
            f"release needs {wanted}{why or ''}: upgrade it, or choose a release that fits; "
            f"`{bundle.key}: false` leaves it unchecked"
        )
