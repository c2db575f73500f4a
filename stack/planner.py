"""From a stack file's words to a `Plan`: every name, label, image and port is decided here."""

from collections.abc import Iterator, Mapping

from stack import (
    checks,
    config,
    lws,
    releases,
    roles,
    routing,
    scheduling,
    servers,
    services,
    size_checks,
    sizing,
)
from stack.checks import LABEL
from stack.ground import Ground
from stack.kinds import Behind, ClusterKind, GatewayKind, ServiceType
from stack.plan import Cluster, Crds, Front, Gateway, Model, Monitors, Namespace, Plan, Pool, dns
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
    if refused := [*checks.pairs(stack, release), *sizing.shapes(stack)]:
        raise StackError(refused)
    kind = clusters[stack.cluster.kind]
    gateway = gateways[stack.gateway.provider]
    asked, stack, ground = stack, *sizing.sized(stack, release, kind.nodes)
    target, nodes = ground.target, ground.nodes
    made_secret = HF_TOKEN_SECRET if "hfToken" in secrets else None
    hf_token_secret = stack.names.hf_token_secret or made_secret

    def made(stack: config.Stack) -> list[Model]:
        return [
            _model(model, stack, ground, gateway, kind, hf_token_secret) for model in stack.models
        ]

    models = made(stack)
    problems = [
        *kind.problems(stack.cluster),
        *checks.models(stack, ground, secrets),
        *checks.collisions(stack, models),
        *checks.lengths(models),
        *checks.claims(stack, target),
        *routing.problems(stack, release),
    ]
    if not problems:
        problems = [*size_checks.problems(stack, ground)]
    if not problems:
        counts = checks.replicas(models, sizing.unsettled(asked), nodes, target)
        models = made(sizing.with_replicas(stack, counts)) if counts else models
        problems = [*checks.room(models, nodes, target)]
    if problems:
        raise StackError(problems)
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
            provider=stack.gateway.provider, crds=(*_crds(stack, gateway, kind, release),)
        ),
        models=tuple(models),
    )


def _model(
    model: config.Model,
    stack: config.Stack,
    ground: Ground,
    gateway: GatewayKind,
    cluster: ClusterKind[config.Cluster],
    hf_token_secret: str | None,
) -> Model:
    release = ground.release
    user = None if getattr(stack.cluster, "assigns_users", False) else USER
    postfix = f"{stack.names.postfix}-{model.id}" if model.id else stack.names.postfix
    namespace = stack.names.namespace
    serving = {**release.serving_labels, "llm-d.ai/model": slug(model.name)}
    pool, service = f"gaie-{postfix}", f"ms-{postfix}-llm-d-modelservice"
    behind = Behind(
        picker=dns(f"{pool}-epp", namespace),
        pods=dns(service, namespace),
        port=servers.PORT,
        fails_open=model.scheduler.failure_mode == "FailOpen",
    )
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
            picker_config=scheduling.picker_config(model, release),
            reads_tokenizer=scheduling.KV_EVENTS in scheduling.types(model),
            hf_token_secret=hf_token_secret,
            objectives=routing.objectives(model),
            rewrites=routing.rewrites(model),
            failure_mode=model.scheduler.failure_mode,
            user=user,
            service_type=cluster.service_type if cluster.is_local else ServiceType.CLUSTER_IP,
            requests=PICKER_REQUESTS,
            limits=PICKER_LIMITS,
        ),
        front=Front(
            name=f"infra-{postfix}-inference-gateway",
            namespace=namespace,
            replicas=FRONT_REPLICAS,
            proxy=gateway.proxy(release, behind),
            service_type=ServiceType(stack.gateway.service or cluster.service_type),
            user=user,
        )
        if gateway.proxy
        else None,
        service=services.service(
            model,
            ground,
            name=service,
            namespace=namespace,
            labels=serving,
            hf_token_secret=hf_token_secret,
            user=user,
        ),
        monitors=Monitors(
            interval=stack.monitoring.scrape_interval,
            pod_monitor=f"{service}-decode-podmonitor",
            service_monitor=f"{pool}-epp-monitor",
            token_secret=f"{pool}-epp-metrics-reader",
        )
        if stack.monitoring.monitors
        else None,
    )


def slug(model: str) -> str:
    """A model's name as a label's value: `Qwen/Qwen3-0.6B` -> `qwen3-0.6b`."""
    return model.rsplit("/", 1)[-1].lower()[:LABEL].strip("._-")


def _crds(
    stack: config.Stack,
    gateway: GatewayKind,
    cluster: ClusterKind[config.Cluster],
    release: Release,
) -> Iterator[Crds]:
    asked = stack.gateway.crds
    spans_nodes = any(
        one.parallel.nodes > 1 for model in stack.models for one in roles.asked(model)
    )
    # Whoever installs the controller installs its definition; simulated nodes have neither.
    groups: config.Install = True if cluster.is_local else "adopt"
    for name, bundle, said, default in (
        ("gatewayApi", release.crds["gatewayApi"], asked.gateway_api, "gatewayApi" in gateway.crds),
        (
            "inferenceExtension",
            release.crds["inferenceExtension"],
            asked.inference_extension,
            "inferenceExtension" in gateway.crds,
        ),
        ("leaderWorkerSet", lws.CRDS, asked.leader_worker_set, spans_nodes and groups),
    ):
        install = default if said is None else said
        if install:
            yield Crds(name=name, bundle=bundle, adopt=install == "adopt")
