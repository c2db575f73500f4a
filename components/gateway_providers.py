import pulumi
import pulumi_kubernetes as k8s

from components.crds import CrdBundle
from stack import plan


class GatewayProviders(pulumi.ComponentResource):
    """What has to be on the cluster before a pool can be routed to."""

    def __init__(
        self, name: str, *, gateway: plan.Gateway, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("llm-d:components:GatewayProviders", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        for crds in gateway.crds:
            CrdBundle(f"{name}-{crds.name}", crds=crds, opts=child)
        for chart in gateway.charts:
            k8s.helm.v3.Release(
                f"{name}-{chart.name}",
                name=chart.name,
                namespace=chart.namespace,
                create_namespace=True,
                chart=chart.chart,
                version=chart.version,
                values=dict(chart.values),
                opts=child,
            )
        self.register_outputs({"provider": gateway.provider})
