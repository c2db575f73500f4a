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
from preflight.check import check
from stack.load import load

plan = load(clusters=clusters.kinds(), gateways=gateways.kinds(), preflight=check)
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
    if model.monitors:
        Monitoring(
            model.named("monitoring"),
            monitors=model.monitors,
            pool=model.pool,
            service=model.service,
            opts=cluster.here(pool),
        )

pickers = [pool.picker for pool in pools]
way_in = entrance(plan.entrance, pickers=pickers, opts=cluster.here(providers, namespace))

for key, value in endpoints(
    plan, way_in, kubeconfig=cluster.kubeconfig, context=cluster.context
).items():
    pulumi.export(key, value)
