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
from preflight.check import check
from stack.config import SECRETS
from stack.load import load

plan = load(clusters=clusters.kinds(), gateways=gateways.kinds(), preflight=check)
secrets = {key: pulumi.Config().get_secret(key) for key in SECRETS}

cluster = Cluster("cluster", cluster=plan.cluster)
providers = GatewayProviders("gateway", providers=plan.providers, opts=cluster.here())
images = built(plan.images, password=secrets["registryPassword"], owner=cluster.owner)
fits = cluster.here(*providers.checked)
namespace = Namespace("namespace", namespace=plan.namespace, secrets=secrets, opts=fits)
opts = cluster.here(providers, namespace)
pools = [
    InferencePool(one.named("pool"), pool=one.pool, images=images, opts=opts) for one in plan.models
]
servers = [
    ModelService(one.named("model"), service=one.service, images=images, opts=opts)
    for one in plan.models
]
way_in = entrance(
    plan.entrance,
    pickers=[one.picker for one in pools],
    servers=[one.pods for one in servers],
    opts=opts,
)
monitoring = plan.monitoring and Monitoring(
    "monitoring", monitoring=plan.monitoring, cluster=cluster, opts=cluster.here(*pools)
)

for key, value in endpoints(plan, cluster, way_in, monitoring).items():
    pulumi.export(key, value)
