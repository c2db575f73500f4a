"""What accounts of the cluster may do."""

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes.meta.v1 as meta
import pulumi_kubernetes.rbac.v1 as rbac


def granted(
    name: str,
    role: str,
    *,
    metadata: meta.ObjectMetaArgsDict,
    rules: Sequence[rbac.PolicyRuleArgsDict],
    to: rbac.SubjectArgsDict,
    opts: pulumi.ResourceOptions,
    after: Sequence[pulumi.Resource] = (),
) -> rbac.RoleBinding:
    """A Role, which `metadata` calls `role`, and who has it."""
    made = rbac.Role(name, metadata=metadata, rules=[*rules], opts=opts)
    return rbac.RoleBinding(
        f"{name}-binding",
        metadata=metadata,
        role_ref=reference("Role", role),
        subjects=[to],
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[made, *after])),
    )


def reference(kind: str, name: str) -> rbac.RoleRefArgsDict:
    return {"api_group": "rbac.authorization.k8s.io", "kind": kind, "name": name}


def account(name: str, namespace: str) -> rbac.SubjectArgsDict:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
