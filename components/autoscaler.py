from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import pulumi_kubernetes.autoscaling.v2 as autoscaling
import pulumi_kubernetes.meta.v1 as meta

from stack import lws, plan

KEDA = "keda.sh/v1alpha1"


def autoscaler(
    name: str, service: plan.Service, scaling: plan.Scaling, opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    """Of the pods that answer; those that read prompts for them stay as many as they are."""
    metadata: meta.ObjectMetaArgsDict = {
        "name": service.decode.workload,
        "namespace": service.namespace,
    }
    if scaling.by == "keda":
        return k8s.apiextensions.CustomResource(
            name,
            api_version=KEDA,
            kind="ScaledObject",
            metadata=metadata,
            spec=scaled_object(service.decode, scaling),
            opts=opts,
        )
    return autoscaling.HorizontalPodAutoscaler(
        name,
        metadata=metadata,
        spec=horizontal(service.decode, scaling),
        opts=opts,
    )


def scaled_object(role: plan.Role, scaling: plan.Scaling) -> dict[str, Any]:
    return {
        "scaleTargetRef": target(role),
        "minReplicaCount": scaling.least,
        "maxReplicaCount": scaling.most,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior(scaling)}},
        "triggers": [
            {
                "type": "prometheus",
                # Of a replica: the sum is divided by how many there are.
                "metricType": "AverageValue",
                "metadata": {
                    "serverAddress": scaling.server,
                    "query": query,
                    "threshold": str(threshold),
                },
            }
            for query, threshold in scaling.targets.items()
        ],
    }


def horizontal(
    role: plan.Role, scaling: plan.Scaling
) -> autoscaling.HorizontalPodAutoscalerSpecArgsDict:
    """On metrics that an adapter has for the pods, by Prometheus' names with underscores."""
    said = target(role)
    return {
        "scale_target_ref": {
            "api_version": said["apiVersion"],
            "kind": said["kind"],
            "name": said["name"],
        },
        "min_replicas": scaling.least,
        "max_replicas": scaling.most,
        "behavior": {
            "scale_down": {"stabilization_window_seconds": scaling.settle_seconds},
        },
        "metrics": [
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": metric},
                    "target": {"type": "AverageValue", "average_value": str(threshold)},
                },
            }
            for metric, threshold in scaling.adapted.items()
        ],
    }


def behavior(scaling: plan.Scaling) -> dict[str, Any]:
    """Down slowly: a replica that is stopped too soon takes minutes to be back."""
    return {"scaleDown": {"stabilizationWindowSeconds": scaling.settle_seconds}}


def target(role: plan.Role) -> dict[str, str]:
    spans = role.nodes > 1
    return {
        "apiVersion": lws.API if spans else "apps/v1",
        "kind": "LeaderWorkerSet" if spans else "Deployment",
        "name": role.workload,
    }
