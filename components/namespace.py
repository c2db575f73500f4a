import pulumi
import pulumi_kubernetes as k8s

from components.objects import told_if_there
from stack import plan


class Namespace(pulumi.ComponentResource):
    """Where the stack's objects live, and the token that downloads gated models there."""

    name: str

    def __init__(
        self,
        name: str,
        *,
        namespace: plan.Namespace,
        hf_token: pulumi.Input[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("llm-d:components:Namespace", name, None, opts)
        self.name = namespace.name
        made: list[pulumi.Resource] = []
        if namespace.create:
            made.append(
                k8s.core.v1.Namespace(
                    name,
                    metadata={"name": namespace.name, "labels": labels(namespace)},
                    opts=pulumi.ResourceOptions.merge(
                        pulumi.ResourceOptions(parent=self),
                        told_if_there(
                            name, "`names.createNamespace: false` puts the stack into it"
                        ),
                    ),
                )
            )
        if namespace.hf_token_secret and hf_token is not None:
            k8s.core.v1.Secret(
                f"{name}-hf-token",
                metadata={"name": namespace.hf_token_secret, "namespace": namespace.name},
                string_data={"HF_TOKEN": hf_token},
                opts=pulumi.ResourceOptions(parent=self, depends_on=made),
            )
        self.register_outputs({"name": self.name})


def labels(namespace: plan.Namespace) -> dict[str, str]:
    """Pods that ask for more than the hardware needs are refused by the API server itself."""
    return {"pod-security.kubernetes.io/enforce": namespace.pod_security}
