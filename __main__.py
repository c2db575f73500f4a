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
fits = cluster.here(*providers.checked)
namespace = Namespace("namespace", namespace=plan.namespace, hf_token=hf_token, opts=fits)
opts = cluster.here(providers, namespace)
pickers: list[pulumi.CustomResource] = []
servers: list[pulumi.CustomResource] = []
for model in plan.models:
    pool = InferencePool(model.named("pool"), pool=model.pool, opts=opts)
    pickers.append(pool.picker)
    servers.append(ModelService(model.named("model"), service=model.service, opts=opts).pods)
    if model.monitors:
        Monitoring(
            model.named("monitoring"),
            monitors=model.monitors,
            pool=model.pool,
            service=model.service,
            opts=cluster.here(pool),
        )

way_in = entrance(plan.entrance, pickers=pickers, servers=servers, opts=opts)

for key, value in endpoints(
    plan, way_in, kubeconfig=cluster.kubeconfig, context=cluster.context
).items():
    pulumi.export(key, value)
