import pulumi
import pulumi_kubernetes as k8s

from components import clusters
from stack import plan


class Cluster(pulumi.ComponentResource):
    """The cluster, and the one provider through which anything is put on it."""

    provider: k8s.Provider
    kubeconfig: str | None
    context: str

    def __init__(
        self,
        name: str,
        *,
        cluster: plan.Cluster,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("llm-d:components:Cluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        access = clusters.kinds()[cluster.kind].connect(name, cluster, child)
        self.kubeconfig, self.context = access.kubeconfig, access.context
        self._goes_with = access.owner if access.goes_along else None
        self.provider = k8s.Provider(
            name,
            kubeconfig=access.credentials or access.kubeconfig,
            context=access.context,
            # A new kubeconfig for the same cluster must not plan to replace everything on it.
            cluster_identifier=cluster.identity,
            # An edited ConfigMap is an update, not an object deleted and made again.
            enable_config_map_mutable=True,
            enable_secret_mutable=True,
            # A field that someone edited by hand is theirs from then on, and would only be
            # reported: what the stack file says has to win.
            enable_patch_force=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*([access.owner] if access.owner else ()), *access.before],
            ),
        )
        self.register_outputs({"kubeconfig": self.kubeconfig, "context": self.context})

    def here(self, *after: pulumi.Resource) -> pulumi.ResourceOptions:
        """Options that put a component on this cluster, after others.

        What stands on a cluster that goes with the stack goes with it: one delete instead of many.
        """
        return pulumi.ResourceOptions(
            provider=self.provider, deleted_with=self._goes_with, depends_on=[*after]
        )
