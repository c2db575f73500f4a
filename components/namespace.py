import base64
import json
from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from components.objects import told_if_there
from stack import plan


class Namespace(pulumi.ComponentResource):
    """Where the stack's objects live, and the secrets that download models and images there."""

    name: str

    def __init__(
        self,
        name: str,
        *,
        namespace: plan.Namespace,
        secrets: Mapping[str, pulumi.Output[str] | None],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`secrets` are by the stack's keys; None is one that is not set."""
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
        if namespace.hf_token_secret and (hf_token := secrets["hfToken"]):
            k8s.core.v1.Secret(
                f"{name}-hf-token",
                metadata={"name": namespace.hf_token_secret, "namespace": namespace.name},
                string_data={"HF_TOKEN": hf_token},
                opts=pulumi.ResourceOptions(parent=self, depends_on=made),
            )
        if (pull := namespace.pull_secret) and (password := secrets["registryPassword"]):
            k8s.core.v1.Secret(
                f"{name}-registry",
                metadata={"name": pull.name, "namespace": namespace.name},
                type="kubernetes.io/dockerconfigjson",
                string_data={".dockerconfigjson": password.apply(lambda word: login(pull, word))},
                opts=pulumi.ResourceOptions(parent=self, depends_on=made),
            )
        self.register_outputs({"name": self.name})


def labels(namespace: plan.Namespace) -> dict[str, str]:
    """Pods that ask for more than the hardware needs are refused by the API server itself."""
    return {"pod-security.kubernetes.io/enforce": namespace.pod_security}


def login(pull: plan.PullSecret, password: str) -> str:
    """As container engines keep who is logged in where."""
    said = base64.b64encode(f"{pull.username}:{password}".encode()).decode()
    return json.dumps({"auths": {pull.registry: {"auth": said}}})
