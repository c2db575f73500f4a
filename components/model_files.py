import pulumi
import pulumi_kubernetes.batch.v1 as batch
import pulumi_kubernetes.core.v1 as core

from components.image_build import Images, running
from components.model_pods import placed, variables, volumes
from components.pods import RESTRICTED, token
from stack import plan


class ModelFiles(pulumi.ComponentResource):
    """A claim with a model's files on it; there, in full, once this component is."""

    def __init__(
        self,
        name: str,
        *,
        service: plan.Service,
        images: Images,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("llm-d:components:ModelFiles", name, None, opts)
        files, made = service.files, list[pulumi.Resource]()
        if files.created:
            made.append(
                core.PersistentVolumeClaim(
                    f"{name}-claim",
                    metadata={
                        "name": files.claim,
                        "namespace": service.namespace,
                        # Many storage classes bind a claim only when its first pod is placed.
                        "annotations": {"pulumi.com/skipAwait": "true"},
                    },
                    spec=claim(files.created),
                    opts=pulumi.ResourceOptions(parent=self),
                )
            )
        if files.downloads:
            batch.Job(
                f"{name}-prefetch",
                metadata={"name": files.job, "namespace": service.namespace},
                spec=running(prefetch(service), images),
                opts=pulumi.ResourceOptions(
                    parent=self,
                    depends_on=made,
                    # What a Job runs cannot change, and its name stays.
                    delete_before_replace=True,
                    custom_timeouts=pulumi.CustomTimeouts(create=f"{service.deadline_seconds}s"),
                ),
            )
        self.register_outputs({"claim": files.claim})


def claim(asked: plan.Claim) -> core.PersistentVolumeClaimSpecArgsDict:
    spec: core.PersistentVolumeClaimSpecArgsDict = {
        "access_modes": [asked.access_mode],
        "resources": {"requests": {"storage": asked.size}},
    }
    if asked.storage_class:
        spec["storage_class_name"] = asked.storage_class
    return spec


def prefetch(service: plan.Service) -> batch.JobSpecArgsDict:
    """Downloads what is not there yet: a pod that fails goes on where it was."""
    containers = [
        download(service, index, repository)
        for index, repository in enumerate(service.files.downloads)
    ]
    # Where the servers will run: a disk that is made for it is in reach of theirs.
    spec = placed(service, containers, volumes(service, writes=True))
    spec["restart_policy"] = "OnFailure"
    labels = {"app.kubernetes.io/name": service.files.job}
    return {"backoff_limit": 10, "template": {"metadata": {"labels": labels}, "spec": spec}}


def download(service: plan.Service, index: int, repository: str) -> core.ContainerArgsDict:
    online = {name: service.env[name] for name in ("HOME", "HF_HOME")}
    return {
        "name": f"download-{index}",
        "image": service.image,
        "image_pull_policy": "IfNotPresent",
        # The second copy of the weights that some publishers add is nothing that vLLM reads.
        "command": ["hf", "download", repository, "--exclude", "original/*"],
        "env": [*variables(online), *token(service.hf_token_secret)],
        "resources": {
            "requests": {"cpu": "500m", "memory": "1Gi"},
            "limits": {"memory": "8Gi"},
        },
        "security_context": RESTRICTED,
        "volume_mounts": [
            {"name": "model-cache", "mount_path": service.cache},
            {"name": "home", "mount_path": service.home},
            {"name": "tmp", "mount_path": "/tmp"},  # noqa: S108 - in a pod
        ],
    }
