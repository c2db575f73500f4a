"""From a stack file's words to a `Plan`: every name, label, image and port is decided here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from stack import (
    checks,
    config,
    lws,
    monitoring,
    releases,
    roles,
    routing,
    scaling,
    scheduling,
    servers,
    services,
    size_checks,
    sizing,
    tracing,
)
from stack.charts import Chart
from stack.checks import LABEL
from stack.ground import Ground
from stack.kinds import Behind, ClusterKind, GatewayKind, Route, ServiceType
from stack.plan import Cluster, Crds, Front, Gateway, Model, Namespace, Plan, Pool, dns
from stack.problems import StackError
from stack.releases import Release

HF_TOKEN_SECRET = "llm-d-hf-token"  # noqa: S105 - the guides' name of the Secret, not its value
# Later official charts ask for 4 to 8 CPUs and 8 GiB, which no laptop has beside two model servers.
# Measured, the picker and its Envoy take well under one core at 20 requests/s; CPU has no limit, so
# that a busy one takes what the node has.
PICKER_REQUESTS = {"cpu": "250m", "memory": "512Mi"}
PICKER_LIMITS = {"memory": "2Gi"}
USER = 65532
"""Any but root will do; this is the one that distroless images call nonroot."""
FRONT_REPLICAS = 2
"""So that requests are taken while one is away."""


def plan(
    stack: config.Stack,
    *,
    name: str,
    secrets: frozenset[str],
    clusters: Mapping[str, ClusterKind[config.Cluster]],
    gateways: Mapping[str, GatewayKind],
) -> Plan:
    """What the stack called `name` means. StackError tells everything that is wrong with it.

    `secrets` are the names of those that are set, of `config.SECRETS`.
    """
    release = releases.releases()[stack.release]
    _refuse([*checks.pairs(stack, release), *sizing.shapes(stack)])
    kind = clusters[stack.cluster.kind]
    gateway = gateways[stack.gateway.provider]
    asked, stack, ground = stack, *sizing.sized(stack, release, kind.nodes)
    ground = tracing.traced(stack, ground)
    target, nodes = ground.target, ground.nodes
    made_secret = HF_TOKEN_SECRET if "hfToken" in secrets else None
    hf_token_secret = stack.names.hf_token_secret or made_secret

    def made(stack: config.Stack) -> list[Model]:
        return [
            _model(model, stack, ground, gateway, kind, hf_token_secret) for model in stack.models
        ]

    models = made(stack)
    _refuse(
        [
            *kind.problems(stack.cluster),
            *checks.models(stack, ground, secrets),
            *checks.collisions(stack, models),
            *checks.lengths(models, _front_name(stack)),
            *checks.claims(stack, target),
            *routing.problems(stack, release),
            *monitoring.problems(stack, kind),
            *scaling.problems(stack),
            *tracing.problems(stack, release),
        ]
    )
    _refuse(size_checks.problems(stack, ground))
    front = _front(stack, models, release, gateway, kind)
    _refuse(checks.configuration(models, front))
    if counts := checks.replicas(models, front, sizing.unsettled(asked), nodes, target):
        models = made(sizing.with_replicas(stack, counts))
    _refuse(checks.room(models, front, nodes, target))
    return Plan(
        name=name,
        cluster=Cluster(
            kind=stack.cluster.kind,
            settings=stack.cluster,
            hardware=target,
            nodes=nodes,
            state=f".state/clusters/{name}",
            identity=f"{stack.cluster.kind}/{getattr(stack.cluster, 'context', name)}",
        ),
        namespace=Namespace(
            name=stack.names.namespace,
            create=stack.names.create_namespace,
            pod_security=target.pod_security,
            hf_token_secret=made_secret,
        ),
        gateway=Gateway(
            provider=stack.gateway.provider,
            crds=(*_crds(stack, gateway, kind, release),),
            charts=(*_charts(stack, kind),),
        ),
        front=front,
        models=tuple(models),
        monitoring=monitoring.monitoring(stack, models, front, release, kind, _user(stack), nodes),
    )


def _refuse(problems: Iterable[str]) -> None:
    if listed := [*problems]:
        raise StackError(listed)


def _model(
    model: config.Model,
    stack: config.Stack,
    ground: Ground,
    gateway: GatewayKind,
    cluster: ClusterKind[config.Cluster],
    hf_token_secret: str | None,
) -> Model:
    release = ground.release
    user = _user(stack)
    postfix = f"{stack.names.postfix}-{model.id}" if model.id else stack.names.postfix
    namespace = stack.names.namespace
    pool, service = f"gaie-{postfix}", f"ms-{postfix}-llm-d-modelservice"
    # By the pool too: two stacks in one namespace may serve the same model.
    serving = {
        **release.serving_labels,
        "llm-d.ai/model": slug(model.name),
        "llm-d.ai/pool": pool,
    }
    return Model(
        name=model.name,
        id=model.id,
        capacity=sizing.holds(model, ground),
        pool=Pool(
            name=pool,
            picker=f"{pool}-epp",
            # Cluster-wide, so the namespace is part of it: two stacks may share a cluster.
            cluster_role=f"{pool}-{namespace}-epp",
            namespace=namespace,
            group=release.pool_group,
            objectives_group=release.objectives_group,
            watches=release.picker_watches,
            selects=serving,
            target_port=servers.PORT,
            image=release.endpoint_picker,
            args=release.picker_args,
            replicas=model.scheduler.replicas,
            traces=tracing.of_picker(stack),
            picker_config=scheduling.picker_config(
                model, release, f"http://{dns(service, namespace)}:{servers.PORT}"
            ),
            reads_tokenizer=scheduling.tokenizes(model, release),
            hf_token_secret=hf_token_secret,
            objectives=routing.objectives(model),
            rewrites=routing.rewrites(model, stack),
            failure_mode=model.scheduler.failure_mode,
            destination_rule=gateway.destination_rules,
            user=user,
            service_type=cluster.service_type if cluster.is_local else ServiceType.CLUSTER_IP,
            requests=PICKER_REQUESTS,
            limits=PICKER_LIMITS,
        ),
        service=services.service(
            model,
            ground,
            name=service,
            namespace=namespace,
            labels=serving,
            hf_token_secret=hf_token_secret,
            user=user,
            scaling=scaling.scaling(model, stack, pool),
        ),
        monitors=monitoring.monitors(pool, service),
    )


def _front(
    stack: config.Stack,
    models: Sequence[Model],
    release: Release,
    gateway: GatewayKind,
    cluster: ClusterKind[config.Cluster],
) -> Front:
    behind = [
        Behind(
            pool=model.pool.name,
            picker=dns(model.pool.picker, model.pool.namespace),
            pods=dns(model.service.name, model.service.namespace),
            port=model.service.port,
            fails_open=model.pool.failure_mode == "FailOpen",
        )
        for model in models
    ]
    pools = {model.name: model.pool.name for model in models}
    routes = [
        Route(model=name, pools={pools[model]: share for model, share in shares.items()})
        for name, shares in routing.shares(stack).items()
    ]
    return Front(
        name=_front_name(stack),
        namespace=stack.names.namespace,
        replicas=FRONT_REPLICAS,
        proxy=gateway.proxy(release, behind, routes),
        service_type=ServiceType(stack.gateway.service or cluster.service_type),
        user=_user(stack),
    )


def _front_name(stack: config.Stack) -> str:
    return f"infra-{stack.names.postfix}-inference-gateway"


def _user(stack: config.Stack) -> int | None:
    return None if getattr(stack.cluster, "assigns_users", False) else USER


def slug(model: str) -> str:
    """A model's name as a label's value: `Qwen/Qwen3-0.6B` -> `qwen3-0.6b`."""
    return model.rsplit("/", 1)[-1].lower()[:LABEL].strip("._-")


def _crds(
    stack: config.Stack,
    gateway: GatewayKind,
    cluster: ClusterKind[config.Cluster],
    release: Release,
) -> Iterator[Crds]:
    said = stack.gateway.crds
    asked: dict[str, config.Install | None] = {
        "gatewayApi": said.gateway_api,
        "inferenceExtension": said.inference_extension,
    }
    installs: dict[str, config.Install] = {name: name in gateway.crds for name in asked}
    installs |= {name: install for name, install in asked.items() if install is not None}
    if not [*_charts(stack, cluster)]:
        installs["leaderWorkerSet"] = _groups(stack, cluster)
    for name, install in installs.items():
        if install:
            bundle = {**release.crds, "leaderWorkerSet": lws.CRDS}[name]
            yield Crds(name=name, bundle=bundle, adopt=install == "adopt")


def _charts(stack: config.Stack, cluster: ClusterKind[config.Cluster]) -> Iterator[Chart]:
    """Of controllers, with their definitions; simulated nodes run none."""
    if _groups(stack, cluster) is True and not cluster.is_local:
        yield lws.CONTROLLER


def _groups(stack: config.Stack, cluster: ClusterKind[config.Cluster]) -> config.Install:
    """Who installs LeaderWorkerSet; left out, whoever owns the cluster, if a model needs it."""
    if (said := stack.gateway.crds.leader_worker_set) is not None:
        return said
    spans_nodes = any(
        one.parallel.nodes > 1 for model in stack.models for one in roles.asked(model)
    )
    return spans_nodes and (True if cluster.is_local else "adopt")
