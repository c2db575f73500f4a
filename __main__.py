"""llm-d on Kubernetes: one stack file in, one endpoint per model out."""

import pulumi

from components import (
    Cluster,
    Front,
    GatewayProviders,
    InferencePool,
    ModelService,
    Monitoring,
    Namespace,
    clusters,
    gateways,
)
from components.outputs import endpoints
from stack.load import load

plan = load(clusters=clusters.kinds(), gateways=gateways.kinds())
hf_token = pulumi.Config().get_secret("hfToken")

cluster = Cluster("cluster", cluster=plan.cluster)
gateway = GatewayProviders("gateway", gateway=plan.gateway, opts=cluster.here())
namespace = Namespace("namespace", namespace=plan.namespace, hf_token=hf_token, opts=cluster.here())

pools: list[InferencePool] = []
for model in plan.models:
    pool = InferencePool(
        model.named("pool"), pool=model.pool, opts=cluster.here(gateway, namespace)
    )
    pools.append(pool)
    ModelService(model.named("model"), service=model.service, opts=cluster.here(gateway, namespace))

front = Front("front", front=plan.front, opts=cluster.here(*pools, namespace))
monitoring = plan.monitoring and Monitoring(
    "monitoring", monitoring=plan.monitoring, cluster=cluster, opts=cluster.here(*pools)
)

for key, value in endpoints(plan, cluster, front.url, monitoring).items():
    pulumi.export(key, value)
