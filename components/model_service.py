from typing import Any, NotRequired, TypedDict, cast

import pulumi
import pulumi_kubernetes as k8s
import pulumi_kubernetes.apps.v1 as apps
import pulumi_kubernetes.core.v1 as core
import pulumi_kubernetes.policy.v1 as policy
import pulumi_kubernetes.resource.v1 as resource

from components.autoscaler import autoscaler
from components.image_build import Images, pods_of, running
from components.model_files import ModelFiles
from components.model_pods import DEVICES, leader, worker
from stack import lws, plan


class Replicas(TypedDict):
    replicas: NotRequired[int]


class ModelService(pulumi.ComponentResource):
    """The pods that serve one model."""

    pods: core.Service
    """Which is there once they are ready."""

    def __init__(
        self,
        name: str,
        *,
        service: plan.Service,
        images: Images,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("llm-d:components:ModelService", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        before: list[pulumi.Resource] = []
        if not service.pods.service_account:
            before.append(
                core.ServiceAccount(
                    f"{name}-account",
                    metadata={"name": service.account, "namespace": service.namespace},
                    automount_service_account_token=False,
                    opts=child,
                )
            )
        if service.files.claim:
            before.append(ModelFiles(f"{name}-files", service=service, images=images, opts=child))
        before.extend(
            resource.ResourceClaimTemplate(
                f"{name}-{role.name}-devices",
                metadata={"name": role.device_claim.template, "namespace": service.namespace},
                spec=claim_template(role.device_claim),
                opts=child,
            )
            for role in service.roles
            if role.device_claim
        )
        timeout = f"{service.deadline_seconds}s"
        roles = [
            workload(
                f"{name}-{role.name}",
                service,
                role,
                images,
                pulumi.ResourceOptions(
                    parent=self,
                    depends_on=before,
                    custom_timeouts=pulumi.CustomTimeouts(create=timeout, update=timeout),
                ),
            )
            for role in service.roles
        ]
        if service.scaling:
            autoscaler(
                f"{name}-autoscaler",
                service,
                service.scaling,
                pulumi.ResourceOptions(parent=self, depends_on=roles),
            )
        for role in service.roles:
            if role.max_unavailable is not None:
                policy.PodDisruptionBudget(
                    f"{name}-{role.name}-budget",
                    metadata={"name": role.workload, "namespace": service.namespace},
                    spec=budget(role, role.max_unavailable),
                    opts=child,
                )
        self.pods = core.Service(
            f"{name}-pods",
            metadata={"name": service.name, "namespace": service.namespace},
            spec=pods(service),
            opts=pulumi.ResourceOptions(parent=self, depends_on=roles),
        )
        self.register_outputs({"decode": service.decode.workload})


def workload(
    name: str,
    service: plan.Service,
    role: plan.Role,
    images: Images,
    opts: pulumi.ResourceOptions,
) -> pulumi.Resource:
    """A Deployment, or a LeaderWorkerSet where a replica spans nodes."""
    labels = dict(role.labels)
    if role.nodes == 1:
        return apps.Deployment(
            name,
            metadata={"name": role.workload, "namespace": service.namespace, "labels": labels},
            spec=running(deployment(service, role), images),
            opts=opts,
        )
    return k8s.apiextensions.CustomResource(
        name,
        api_version=lws.API,
        kind="LeaderWorkerSet",
        metadata={"name": role.workload, "namespace": service.namespace, "labels": labels},
        spec=groups(service, role, images),
        opts=opts,
    )


def claim_template(claim: plan.DeviceClaim) -> resource.ResourceClaimTemplateSpecArgsDict:
    exactly: resource.ExactDeviceRequestArgsDict = {
        "device_class_name": claim.device_class,
        "allocation_mode": "ExactCount",
        "count": claim.count,
    }
    return {"spec": {"devices": {"requests": [{"name": DEVICES, "exactly": exactly}]}}}


def replicas(service: plan.Service, role: plan.Role) -> Replicas:
    """Nothing where an autoscaler says it: the next update would take its word back."""
    if service.scaling and role.name == "decode":
        return {}
    return {"replicas": role.replicas}


def deployment(service: plan.Service, role: plan.Role) -> apps.DeploymentSpecArgsDict:
    return {
        **replicas(service, role),
        "progress_deadline_seconds": service.deadline_seconds,
        "selector": {"match_labels": dict(role.labels)},
        "template": leader(service, role),
    }


def groups(service: plan.Service, role: plan.Role, images: Images) -> dict[str, Any]:
    """Of a LeaderWorkerSet: pods that start together, and together start anew when one fails."""
    return {
        **replicas(service, role),
        "startupPolicy": "LeaderCreated",
        "leaderWorkerTemplate": {
            "size": role.nodes,
            "restartPolicy": "RecreateGroupOnPodRestart",
            # Inside an object of a kind that it does not know, Pulumi names what is typed alone.
            "leaderTemplate": typed(pods_of(leader(service, role), images)),
            "workerTemplate": typed(pods_of(worker(service, role), images)),
        },
    }


def typed(template: core.PodTemplateSpecArgsDict) -> core.PodTemplateSpecArgs:
    return core.PodTemplateSpecArgs(**cast("dict[str, Any]", template))


def budget(role: plan.Role, max_unavailable: int) -> policy.PodDisruptionBudgetSpecArgsDict:
    return {
        "max_unavailable": max_unavailable,
        "selector": {"match_labels": dict(role.labels)},
        # A pod that is still loading serves nobody: it holds no drain up.
        "unhealthy_pod_eviction_policy": "AlwaysAllow",
    }


def pods(service: plan.Service) -> core.ServiceSpecArgsDict:
    """A name for the addresses of the ready pods that answer; nothing is sent through it."""
    return {
        "cluster_ip": "None",
        "selector": dict(service.decode.labels),
        "ports": [{"name": service.port_name, "port": service.port, "protocol": "TCP"}],
    }
