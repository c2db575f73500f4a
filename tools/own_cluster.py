"""A stack's own cluster, as its state has it. Pure."""

from collections.abc import Collection, Mapping
from typing import Any

KEEPS = ("nothing", "stopped", "running")
"""What `down` may leave of it."""
OWNERS = (
    "command:local:Command",
    "gcp:container/cluster:Cluster",
    "gcp:container/nodePool:NodePool",
)
ON_IT = ("kubernetes:", "pulumi:providers:kubernetes")
"""Types of what is nowhere but on the stack's cluster: a stack has but one."""
CLUSTER = "llm-d:components:Cluster::"
"""In the name of the component that has what makes the cluster."""


def owners(deployment: Mapping[str, Any]) -> list[str]:
    """URNs of what makes the stack's cluster, and removes it."""
    resources: list[dict[str, Any]] = deployment.get("resources") or []
    return [
        one["urn"]
        for one in resources
        if one["type"] in OWNERS and CLUSTER in one.get("parent", "")
    ]


def forgotten(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    """A state in which the stack's own cluster was never made, nor anything on it."""
    resources: list[dict[str, Any]] = deployment.get("resources") or []
    made_by = owners(deployment)
    gone = {
        *made_by,
        *(one["urn"] for one in resources if one["type"].startswith(ON_IT)),
        *(one["urn"] for one in resources if one["custom"] and one.get("deletedWith") in made_by),
    }
    return {
        **deployment,
        "resources": [_without(one, gone) for one in resources if one["urn"] not in gone],
    }


def _without(resource: Mapping[str, Any], gone: Collection[str]) -> dict[str, Any]:
    """The same with nothing that refers to what is gone."""
    of_properties: dict[str, list[str]] = resource.get("propertyDependencies") or {}
    cleaned: dict[str, Any] = {
        **resource,
        "dependencies": [one for one in resource.get("dependencies") or () if one not in gone],
        "propertyDependencies": {
            key: [one for one in urns or () if one not in gone]
            for key, urns in of_properties.items()
        },
    }
    if cleaned.get("deletedWith") in gone:
        del cleaned["deletedWith"]
    if cleaned.get("provider", "").rpartition("::")[0] in gone:
        del cleaned["provider"]
    return cleaned
