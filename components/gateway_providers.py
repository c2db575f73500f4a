import pulumi

from components.crds import CrdBundle
from stack import plan


class GatewayProviders(pulumi.ComponentResource):
    """What has to be on the cluster before a pool can be routed to."""

    def __init__(
        self, name: str, *, gateway: plan.Gateway, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("llm-d:components:GatewayProviders", name, None, opts)
        for crds in gateway.crds:
            CrdBundle(f"{name}-{crds.name}", crds=crds, opts=pulumi.ResourceOptions(parent=self))
        self.register_outputs({"provider": gateway.provider})
