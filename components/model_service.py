import pulumi
import pulumi_kubernetes.apps.v1 as apps
import pulumi_kubernetes.core.v1 as core

from components.pods import DRAIN, DRAIN_SECONDS, END_SECONDS, RESTRICTED, RESTRICTED_POD
from stack import plan
from stack.hardware import Hardware

PORT_NAME = "metrics"
"""Of the server's port; what the guides' monitors scrape by."""
CACHE_DIR = "/model-cache"
HOME = "/home/llm-d"
STARTUP_PROBE_SECONDS = 5
ENGINE_SECONDS = 30
"""To end the engine and give its devices back, once a pod has drained."""


class ModelService(pulumi.ComponentResource):
    """The pods that serve one model."""

    def __init__(
        self, name: str, *, service: plan.Service, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("llm-d:components:ModelService", name, None, opts)
        account = core.ServiceAccount(
            f"{name}-account",
            metadata={"name": service.name, "namespace": service.namespace},
            automount_service_account_token=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        deployment = apps.Deployment(
            f"{name}-decode",
            metadata={
                "name": service.decode,
                "namespace": service.namespace,
                "labels": dict(service.labels),
            },
            spec=decode(service),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[account],
                custom_timeouts=pulumi.CustomTimeouts(
                    create=f"{service.deadline_seconds}s", update=f"{service.deadline_seconds}s"
                ),
            ),
        )
        core.Service(
            f"{name}-pods",
            metadata={"name": service.name, "namespace": service.namespace},
            spec=pods(service),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[deployment]),
        )
        self.register_outputs({"decode": service.decode})


def decode(service: plan.Service) -> apps.DeploymentSpecArgsDict:
    return {
        "replicas": service.replicas,
        "progress_deadline_seconds": service.deadline_seconds,
        "selector": {"match_labels": dict(service.labels)},
        "template": {
            "metadata": {"labels": dict(service.labels)},
            "spec": {
                "service_account_name": service.name,
                "automount_service_account_token": False,
                # A Service of the right name would set VLLM_PORT to something like tcp://….
                "enable_service_links": False,
                "termination_grace_period_seconds": DRAIN_SECONDS + ENGINE_SECONDS,
                "security_context": RESTRICTED_POD,
                "node_selector": dict(service.hardware.node_selector),
                "tolerations": [toleration(key) for key in service.hardware.tolerates],
                "containers": [server(service)],
                "volumes": volumes(service),
            },
        },
    }


def pods(service: plan.Service) -> core.ServiceSpecArgsDict:
    """A name for the addresses of the ready pods; nothing is sent through it."""
    return {
        "cluster_ip": "None",
        "selector": dict(service.labels),
        "ports": [{"name": PORT_NAME, "port": service.port, "protocol": "TCP"}],
    }


def server(service: plan.Service) -> core.ContainerArgsDict:
    container: core.ContainerArgsDict = {
        "name": "vllm",
        "image": service.image,
        "image_pull_policy": "IfNotPresent",
        "args": list(service.args),
        "env": environment(service),
        "ports": [{"name": PORT_NAME, "container_port": service.port, "protocol": "TCP"}],
        "lifecycle": DRAIN,
        "startup_probe": startup_probe(service),
        "liveness_probe": {
            **probe("/health", seconds=10),
            "termination_grace_period_seconds": END_SECONDS,
        },
        "readiness_probe": probe("/v1/models", seconds=5),
        "resources": {"requests": dict(service.requests), "limits": dict(service.limits)},
        "security_context": security(service.hardware),
        "volume_mounts": [
            {"name": name, "mount_path": path} for name, path in mounts(service).items()
        ],
    }
    if service.command:
        container["command"] = list(service.command)
    return container


def toleration(key: str) -> core.TolerationArgsDict:
    return {"key": key, "operator": "Exists", "effect": "NoSchedule"}


def security(hardware: Hardware) -> core.SecurityContextArgsDict:
    """Restricted, but for what the hardware's server cannot do without."""
    allowed: core.SecurityContextArgsDict = {**RESTRICTED}
    if hardware.capabilities:
        allowed["capabilities"] = {"drop": ["ALL"], "add": list(hardware.capabilities)}
    if hardware.seccomp != "RuntimeDefault":
        allowed["seccomp_profile"] = {"type": hardware.seccomp}
    return allowed


def environment(service: plan.Service) -> list[core.EnvVarArgsDict]:
    plain = {"HOME": HOME, "HF_HOME": CACHE_DIR, **service.env}
    values: list[core.EnvVarArgsDict] = [
        {"name": key, "value": value} for key, value in plain.items()
    ]
    # What logs and answers can say they come from.
    values.append(
        {"name": "POD_NAME", "value_from": {"field_ref": {"field_path": "metadata.name"}}}
    )
    if service.hf_token_secret:
        key: core.SecretKeySelectorArgsDict = {
            "name": service.hf_token_secret,
            "key": "HF_TOKEN",
        }
        values.append({"name": "HF_TOKEN", "value_from": {"secret_key_ref": key}})
    return values


def probe(path: str, *, seconds: int) -> core.ProbeArgsDict:
    """`/v1/models` answers once the model is loaded, `/health` while the engine lives."""
    return {
        "http_get": {"path": path, "port": PORT_NAME},
        "period_seconds": seconds,
        "timeout_seconds": seconds,
    }


def startup_probe(service: plan.Service) -> core.ProbeArgsDict:
    """Ready as soon as the model is; restarted only when it has had all its time to start."""
    tries = service.startup_seconds // STARTUP_PROBE_SECONDS
    return {**probe("/v1/models", seconds=STARTUP_PROBE_SECONDS), "failure_threshold": tries}


def mounts(service: plan.Service) -> dict[str, str]:
    """Volume -> path: what a server writes to, under any user id."""
    shared = {"shared-memory": "/dev/shm"} if service.shared_memory else {}  # noqa: S108
    return {"model-cache": CACHE_DIR, "home": HOME, "tmp": "/tmp", **shared}  # noqa: S108


def volumes(service: plan.Service) -> list[core.VolumeArgsDict]:
    empty: dict[str, core.EmptyDirVolumeSourceArgsDict] = {
        "model-cache": {"size_limit": service.storage},
        "home": {},
        "tmp": {},
    }
    if service.shared_memory:
        empty["shared-memory"] = {"medium": "Memory", "size_limit": service.shared_memory}
    return [{"name": name, "empty_dir": how} for name, how in empty.items()]
