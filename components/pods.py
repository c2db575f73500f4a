"""What every pod of this project has in common: the restricted Pod Security Standard."""

import hashlib
from collections.abc import Mapping

import pulumi_kubernetes.apps.v1 as apps
import pulumi_kubernetes.core.v1 as core

RESTRICTED: core.SecurityContextArgsDict = {
    "allow_privilege_escalation": False,
    "read_only_root_filesystem": True,
    "capabilities": {"drop": ["ALL"]},
}

DRAIN_SECONDS = 30
"""Between a pod's leaving and its end: nobody sends it anything new by then, and most answers that
it has begun are given."""

END_SECONDS = 10
"""To close what is open: once a pod has drained, or when it does not answer any more."""

DRAIN: core.LifecycleArgsDict = {"pre_stop": {"sleep": {"seconds": DRAIN_SECONDS}}}
"""Servers that end at once when they are told to, with whatever they are doing."""

ONE_MORE_FIRST: apps.DeploymentStrategyArgsDict = {
    "type": "RollingUpdate",
    "rolling_update": {"max_surge": 1, "max_unavailable": 0},
}
"""The next pod takes over once it is ready: a new configuration costs no request."""


def restricted(user: int | None) -> core.PodSecurityContextArgsDict:
    """Of a pod that runs as this user, or as the one that the cluster assigns it."""
    made: core.PodSecurityContextArgsDict = {
        "run_as_non_root": True,
        "seccomp_profile": {"type": "RuntimeDefault"},
    }
    if user is not None:
        made["run_as_user"] = made["run_as_group"] = user
        # Volumes are the group's to write, whoever made them.
        made["fs_group"] = user
    return made


def digest(files: Mapping[str, str]) -> str:
    return hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()


def ports(named: Mapping[str, int]) -> list[core.ServicePortArgsDict]:
    """Of a Service, each leading to the same port of its pods."""
    return [
        {"name": name, "port": port, "target_port": port, "protocol": "TCP"}
        for name, port in named.items()
    ]


def spread(labels: Mapping[str, str]) -> core.TopologySpreadConstraintArgsDict:
    """Over the nodes, as far as there is room: one that fails takes as few pods as may be."""
    return {
        "max_skew": 1,
        "topology_key": "kubernetes.io/hostname",
        "when_unsatisfiable": "ScheduleAnyway",
        "label_selector": {"match_labels": dict(labels)},
    }


def token(secret: str | None) -> list[core.EnvVarArgsDict]:
    """What downloads models that are gated, from the Secret of that name."""
    if not secret:
        return []
    key: core.SecretKeySelectorArgsDict = {"name": secret, "key": "HF_TOKEN"}
    return [{"name": "HF_TOKEN", "value_from": {"secret_key_ref": key}}]
