"""llm-d on Kubernetes: one stack file in, one endpoint per model out."""

import pulumi

from components import (
    Cluster,
    GatewayProviders,
    InferencePool,
    ModelService,
    Monitoring,
    Namespace,
    built,
    clusters,
    entrance,
    gateways,
)
from components.outputs import endpoints
from stack.config import SECRETS
from stack.load import load

plan = load(clusters=clusters.kinds(), gateways=gateways.kinds())
secrets = {key: pulumi.Config().get_secret(key) for key in SECRETS}

cluster = Cluster("cluster", cluster=plan.cluster)
providers = GatewayProviders("gateway", providers=plan.providers, opts=cluster.here())
images = built(plan.images, password=secrets["registryPassword"], owner=cluster.owner)
namespace = Namespace("namespace", namespace=plan.namespace, secrets=secrets, opts=cluster.here())
pools: list[InferencePool] = []
for model in plan.models:
    opts = cluster.here(providers, namespace)
    pool = InferencePool(model.named("pool"), pool=model.pool, images=images, opts=opts)
    pools.append(pool)
    ModelService(model.named("model"), service=model.service, images=images, opts=opts)
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
