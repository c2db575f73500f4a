from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from stack import crds, plan


class CrdBundle(pulumi.ComponentResource):
    """Custom resource definitions of one project, all of one version."""

    def __init__(
        self, name: str, *, crds: plan.Crds, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("llm-d:components:CrdBundle", name, None, opts)
        (_adopt if crds.adopt else _install)(name, crds, pulumi.ResourceOptions(parent=self))
        self.register_outputs({"version": crds.bundle.version})


def _install(name: str, bundle: plan.Crds, opts: pulumi.ResourceOptions) -> None:
    for document in crds.documents(bundle.bundle):
        k8s.apiextensions.CustomResource(
            f"{name}-{document['spec']['names']['plural']}.{document['spec']['group']}",
            api_version=document["apiVersion"],
            kind=document["kind"],
            metadata=document["metadata"],
            spec=document["spec"],
            opts=opts,
        )


def _adopt(name: str, bundle: plan.Crds, opts: pulumi.ResourceOptions) -> None:
    """Read what is there; a version other than the release's stops the update."""
    for definition in (one for file in bundle.bundle.files for one in file.definitions):
        there = k8s.apiextensions.v1.CustomResourceDefinition.get(
            f"{name}-{definition}", definition, opts=opts
        )
        there.metadata.apply(lambda found: check(found.annotations or {}, bundle))


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
            f"`gateway.crds.{bundle.name}: false` leaves it unchecked"
        )
