"""From a stack file's words to a `Plan`: every name, label, image and port is decided here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from stack import (
    builds,
    checks,
    config,
    entrances,
    monitoring,
    providers,
    releases,
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
from stack.kinds import (
    Behind,
    ClusterKind,
    GatewayKind,
    Provider,
    Route,
    ServiceType,
    Standalone,
)
from stack.plan import Beside, Cluster, Front, Gateway, Model, Namespace, Plan, Pool, dns
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
    kind, gateway = clusters[stack.cluster.kind], gateways[stack.gateway.provider]
    release, images, not_built = builds.builds(
        stack, releases.releases()[stack.release], kind, name=name
    )
    _refuse(
        [
            *builds.problems(stack, kind, secrets),
            *checks.pairs(stack, release),
            *entrances.of_release(stack, release, gateway),
            *sizing.shapes(stack),
        ]
    )
    asked, stack, ground = stack, *sizing.sized(stack, release, kind.nodes)
    ground = tracing.traced(stack, ground)
    target, nodes = ground.target, ground.nodes
    made_secret = HF_TOKEN_SECRET if "hfToken" in secrets else None
    hf_token_secret = stack.names.hf_token_secret or made_secret
    pull_secret = builds.pull_secret(stack, images)
    pull_secrets = (pull_secret.name,) if pull_secret else ()

    def made(stack: config.Stack) -> list[Model]:
        return [
            _model(model, stack, ground, gateway, kind, hf_token_secret, pull_secrets)
            for model in stack.models
        ]

    models = made(stack)
    suffix = max(gateway.suffix, "-proxies", key=len) if isinstance(gateway, Provider) else ""
    _refuse(
        [
            *kind.problems(stack.cluster),
            *checks.models(stack, ground, secrets),
            *checks.collisions(stack, models),
            *checks.lengths(models, f"{entrances.name(stack)}{suffix}"),
            *checks.claims(stack, target),
            *routing.problems(stack, release),
            *entrances.problems(stack, release, gateway, kind),
            *providers.problems(stack, kind),
            *monitoring.problems(stack, kind),
            *scaling.problems(stack),
            *tracing.problems(stack, release),
        ]
    )
    _refuse(size_checks.problems(stack, ground))
    entrance = _entrance(stack, models, release, gateway, kind)
    needed = providers.providers(stack, release, gateway, kind, entrance)
    if isinstance(entrance, Front):
        _refuse(checks.configuration(models, entrance))
    beside = [*_beside(entrance, needed.charts), *monitoring.beside(stack, kind, nodes)]
    if counts := checks.replicas(models, beside, sizing.unsettled(asked), nodes, target):
        models = made(sizing.with_replicas(stack, counts))
    _refuse(checks.room(models, beside, nodes, target))
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
            pull_secret=pull_secret,
        ),
        providers=needed,
        entrance=entrance,
        models=tuple(models),
        monitoring=monitoring.monitoring(
            stack, models, entrance, release, gateway, kind, _user(stack, kind), nodes
        ),
        beside=tuple(beside),
        images=images,
        not_built=not_built,
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
    pull_secrets: tuple[str, ...],
) -> Model:
    release = ground.release
    user = _user(stack, cluster)
    postfix = f"{stack.names.postfix}-{model.id}" if model.id else stack.names.postfix
    namespace = stack.names.namespace
    pool, service = f"gaie-{postfix}", f"ms-{postfix}-llm-d-modelservice"
    # By the pool too: two stacks in one namespace may serve the same model.
    serving = {
        **release.serving_labels,
        "llm-d.ai/model": slug(model.name),
        "llm-d.ai/pool": pool,
    }
    behind = Behind(
        pool=pool,
        picker=dns(f"{pool}-epp", namespace),
        pods=dns(service, namespace),
        port=servers.PORT,
        fails_open=model.scheduler.failure_mode == "FailOpen",
    )
    beside, ready = (), ()
    if isinstance(gateway, Provider):
        ask = entrances.asked(stack, release, gateway, cluster)
        beside, ready = (
            gateway.pool(ask, behind),
            entrances.pool_ready(ask, entrances.control_plane(stack, release, gateway, cluster)),
        )
    return Model(
        name=model.name,
        id=model.id,
        capacity=sizing.holds(model, ground),
        behind=behind,
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
            beside=beside,
            ready=ready,
            pull_secrets=pull_secrets,
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
            pull_secrets=pull_secrets,
            user=user,
            scaling=scaling.scaling(model, stack, pool),
        ),
        monitors=monitoring.monitors(pool, service),
    )


def _entrance(
    stack: config.Stack,
    models: Sequence[Model],
    release: Release,
    kind: GatewayKind,
    cluster: ClusterKind[config.Cluster],
) -> Front | Gateway:
    match kind:
        case Standalone():
            return _front(stack, models, release, kind, cluster)
        case Provider():
            platform = cluster.platform(stack.cluster)
            return entrances.gateway(
                stack,
                release,
                entrances.asked(stack, release, kind, cluster),
                kind,
                pools=_pools(models),
                platform=platform,
                is_local=cluster.is_local,
                user=_user(stack, cluster),
            )
        case _:
            raise TypeError(kind)


def _front(
    stack: config.Stack,
    models: Sequence[Model],
    release: Release,
    kind: Standalone,
    cluster: ClusterKind[config.Cluster],
) -> Front:
    said, pools = stack.gateway, _pools(models)
    routes = [
        Route(model=name, pools={pools[model]: share for model, share in shares.items()})
        for name, shares in routing.shares(stack).items()
    ]
    return Front(
        name=entrances.name(stack),
        namespace=stack.names.namespace,
        replicas=said.replicas,
        proxy=kind.proxy(release, [model.behind for model in models], routes),
        requests=entrances.amounts(entrances.REQUESTS, said.resources.requests),
        limits=entrances.amounts(entrances.LIMITS, said.resources.limits),
        service_type=ServiceType(said.service or cluster.service_type),
        user=_user(stack, cluster),
    )


def _pools(models: Sequence[Model]) -> dict[str, str]:
    return {model.name: model.pool.name for model in models}


def _beside(entrance: Front | Gateway, charts: Sequence[Chart]) -> Iterator[Beside]:
    """What nodes have to hold beside models and their endpoint pickers."""
    yield Beside(who="the gateway", replicas=entrance.replicas, requests=entrance.requests)
    if isinstance(entrance, Gateway) and entrance.reader:
        reader = entrance.reader
        yield Beside(who="the body reader", replicas=reader.replicas, requests=reader.requests)
    for chart in charts:
        for requests in chart.pods:
            yield Beside(who=f"chart {chart.name}", replicas=1, requests=requests)


def _user(stack: config.Stack, cluster: ClusterKind[config.Cluster]) -> int | None:
    return None if cluster.platform(stack.cluster).assigns_users else USER


def slug(model: str) -> str:
    """A model's name as a label's value: `Qwen/Qwen3-0.6B` -> `qwen3-0.6b`."""
    return model.rsplit("/", 1)[-1].lower()[:LABEL].strip("._-")
