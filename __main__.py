"""llm-d on Kubernetes: one stack file in, one endpoint per model out."""

import pulumi

from components import (
    Cluster,
    GatewayProviders,
    InferencePool,
    ModelService,
    Monitoring,
    Namespace,
    clusters,
    entrance,
    gateways,
)
from components.outputs import endpoints
from stack.load import load

plan = load(clusters=clusters.kinds(), gateways=gateways.kinds())
hf_token = pulumi.Config().get_secret("hfToken")

cluster = Cluster("cluster", cluster=plan.cluster)
providers = GatewayProviders("gateway", providers=plan.providers, opts=cluster.here())
namespace = Namespace("namespace", namespace=plan.namespace, hf_token=hf_token, opts=cluster.here())
pools: list[InferencePool] = []
for model in plan.models:
    opts = cluster.here(providers, namespace)
    pool = InferencePool(model.named("pool"), pool=model.pool, opts=opts)
    pools.append(pool)
    ModelService(model.named("model"), service=model.service, opts=opts)

pickers = [pool.picker for pool in pools]
way_in = entrance(plan.entrance, pickers=pickers, opts=cluster.here(providers, namespace))
monitoring = plan.monitoring and Monitoring(
    "monitoring", monitoring=plan.monitoring, cluster=cluster, opts=cluster.here(*pools)
)

for key, value in endpoints(plan, cluster, way_in, monitoring).items():
    pulumi.export(key, value)
