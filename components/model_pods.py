"""Pods of model servers, and what they have in common with the pod that downloads for them."""

from collections.abc import Mapping

import pulumi_kubernetes.core.v1 as core
import pulumi_kubernetes.meta.v1 as meta

from components.pods import (
    DRAIN,
    DRAIN_SECONDS,
    END_SECONDS,
    RESTRICTED,
    restricted,
    spread,
    token,
)
from stack import plan
from stack.hardware import Hardware

DEVICES = "devices"
"""What a pod calls its claim."""
STARTUP_PROBE_SECONDS = 5
ENGINE_SECONDS = 30
"""To end the engine and give its devices back, once a pod has drained."""


def leader(service: plan.Service, role: plan.Role) -> core.PodTemplateSpecArgsDict:
    """The pod that requests are sent to; the whole replica, unless that spans nodes."""
    spec = pod(service, role, server(service, role))
    if role.proxy:
        spec["init_containers"] = [proxy(role.proxy)]
    if role.replicas > 1:
        spec["topology_spread_constraints"] = [spread(role.labels)]
    return {"metadata": metadata(service, role.labels), "spec": spec}


def worker(service: plan.Service, role: plan.Role) -> core.PodTemplateSpecArgsDict:
    """A pod that computes for its leader, and listens to nobody else."""
    container = server(service, role)
    container["args"] = [*role.args, "--headless"]
    for listening in ("ports", "startup_probe", "liveness_probe", "readiness_probe"):
        container.pop(listening)
    return {
        "metadata": metadata(service, role.worker_labels),
        "spec": pod(service, role, container),
    }


def metadata(service: plan.Service, labels: Mapping[str, str]) -> meta.ObjectMetaArgsDict:
    made: meta.ObjectMetaArgsDict = {"labels": {**service.pods.labels, **labels}}
    if service.pods.annotations:
        made["annotations"] = dict(service.pods.annotations)
    return made


def pod(
    service: plan.Service, role: plan.Role, container: core.ContainerArgsDict
) -> core.PodSpecArgsDict:
    spec = placed(service, [container], volumes(service, writes=False))
    spec["termination_grace_period_seconds"] = DRAIN_SECONDS + ENGINE_SECONDS
    if groups := service.hardware.supplemental_groups:
        spec["security_context"] = {
            **restricted(service.user),
            "supplemental_groups": list(groups),
        }
    if claim := role.device_claim:
        # One of its own for each pod.
        spec["resource_claims"] = [
            {"name": DEVICES, "resource_claim_template_name": claim.template}
        ]
    return spec


def placed(
    service: plan.Service,
    containers: list[core.ContainerArgsDict],
    volumes: list[core.VolumeArgsDict],
) -> core.PodSpecArgsDict:
    """Where a pod may run, as whom, and before which others."""
    asked = service.pods
    spec: core.PodSpecArgsDict = {
        "service_account_name": service.account,
        "automount_service_account_token": False,
        # A Service of the right name would set VLLM_PORT to something like tcp://….
        "enable_service_links": False,
        "security_context": restricted(service.user),
        "node_selector": dict(service.hardware.node_selector),
        "tolerations": [toleration(key) for key in service.hardware.tolerates],
        "containers": containers,
        "volumes": volumes,
    }
    if service.pull_secrets:
        spec["image_pull_secrets"] = [{"name": name} for name in service.pull_secrets]
    if asked.priority_class:
        spec["priority_class_name"] = asked.priority_class
    if asked.scheduler_name:
        spec["scheduler_name"] = asked.scheduler_name
    return spec


def toleration(key: str) -> core.TolerationArgsDict:
    return {"key": key, "operator": "Exists", "effect": "NoSchedule"}


def server(service: plan.Service, role: plan.Role) -> core.ContainerArgsDict:
    container: core.ContainerArgsDict = {
        "name": "vllm",
        "image": service.image,
        "image_pull_policy": "IfNotPresent",
        "args": list(role.args),
        "env": environment(service),
        "ports": [{"name": service.port_name, "container_port": role.port, "protocol": "TCP"}],
        "lifecycle": DRAIN,
        "startup_probe": startup_probe(service),
        "liveness_probe": {
            **probe(service, "/health", seconds=10),
            "termination_grace_period_seconds": END_SECONDS,
        },
        "readiness_probe": probe(service, "/v1/models", seconds=5),
        "resources": resources(role),
        "security_context": security(service.hardware),
        "volume_mounts": mounts(service),
    }
    if service.command:
        container["command"] = list(service.command)
    return container


def proxy(asked: plan.RoutingProxy) -> core.ContainerArgsDict:
    """Before the server for as long as that lives: an init container that keeps running."""
    return {
        "name": "routing-proxy",
        "image": asked.image,
        "image_pull_policy": "IfNotPresent",
        "restart_policy": "Always",
        "args": list(asked.args),
        "ports": [{"name": "http", "container_port": asked.port, "protocol": "TCP"}],
        "readiness_probe": {"tcp_socket": {"port": "http"}, "period_seconds": 5},
        "resources": {"requests": dict(asked.requests), "limits": dict(asked.limits)},
        "security_context": RESTRICTED,
    }


def resources(role: plan.Role) -> core.ResourceRequirementsArgsDict:
    asked: core.ResourceRequirementsArgsDict = {
        "requests": dict(role.requests),
        "limits": dict(role.limits),
    }
    if role.device_claim:
        asked["claims"] = [{"name": DEVICES}]
    return asked


def security(hardware: Hardware) -> core.SecurityContextArgsDict:
    """Restricted, but for what the hardware's server cannot do without."""
    allowed: core.SecurityContextArgsDict = {**RESTRICTED}
    if hardware.capabilities:
        allowed["capabilities"] = {"drop": ["ALL"], "add": list(hardware.capabilities)}
    if hardware.seccomp != "RuntimeDefault":
        allowed["seccomp_profile"] = {"type": hardware.seccomp}
    return allowed


def environment(service: plan.Service) -> list[core.EnvVarArgsDict]:
    fields: list[core.EnvVarArgsDict] = [
        {"name": name, "value_from": {"field_ref": {"field_path": path}}}
        for name, path in service.env_fields.items()
    ]
    # What is on a claim was downloaded for them.
    return [
        *variables(service.env),
        *fields,
        *([] if service.files.claim else token(service.hf_token_secret)),
    ]


def variables(values: Mapping[str, str]) -> list[core.EnvVarArgsDict]:
    return [{"name": name, "value": value} for name, value in values.items()]


def probe(service: plan.Service, path: str, *, seconds: int) -> core.ProbeArgsDict:
    """`/v1/models` answers once the model is loaded, `/health` while the engine lives."""
    return {
        "http_get": {"path": path, "port": service.port_name},
        "period_seconds": seconds,
        "timeout_seconds": seconds,
    }


def startup_probe(service: plan.Service) -> core.ProbeArgsDict:
    """Ready as soon as the model is; restarted only when it has had all its time to start."""
    tries = service.startup_seconds // STARTUP_PROBE_SECONDS
    every = probe(service, "/v1/models", seconds=STARTUP_PROBE_SECONDS)
    return {**every, "failure_threshold": tries}


def mounts(service: plan.Service) -> list[core.VolumeMountArgsDict]:
    """What a server writes to, under any user id, and what it reads."""
    files: core.VolumeMountArgsDict = {"name": "model-cache", "mount_path": service.cache}
    if service.files.claim:
        files["read_only"] = True
    written = {"home": service.home, "tmp": "/tmp"}  # noqa: S108 - in a pod
    if service.shared_memory:
        written["shared-memory"] = "/dev/shm"  # noqa: S108 - in a pod
    return [files, *({"name": name, "mount_path": path} for name, path in written.items())]


def volumes(service: plan.Service, *, writes: bool) -> list[core.VolumeArgsDict]:
    """`writes` is for the pod that fills the claim."""
    files: core.VolumeArgsDict = {"name": "model-cache"}
    if service.files.claim:
        files["persistent_volume_claim"] = {
            "claim_name": service.files.claim,
            "read_only": not writes,
        }
    else:
        files["empty_dir"] = {"size_limit": service.files.size}
    made: list[core.VolumeArgsDict] = [
        files,
        {"name": "home", "empty_dir": {}},
        {"name": "tmp", "empty_dir": {}},
    ]
    if service.shared_memory and not writes:
        memory: core.EmptyDirVolumeSourceArgsDict = {
            "medium": "Memory",
            "size_limit": service.shared_memory,
        }
        made.append({"name": "shared-memory", "empty_dir": memory})
    return made
