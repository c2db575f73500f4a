"""From a stack file's words to a `Plan`: every name, label, image and port is decided here."""

from collections.abc import Iterator, Mapping

from stack import checks, config, hardware, quantity, releases, scheduling
from stack.checks import LABEL
from stack.hardware import Hardware
from stack.kinds import Behind, ClusterKind, GatewayKind, ServiceType
from stack.plan import (
    Cluster,
    Crds,
    Front,
    Gateway,
    Model,
    Monitors,
    Namespace,
    Plan,
    Pool,
    Service,
    dns,
)
from stack.problems import StackError
from stack.releases import Release

MODEL_PORT = 8000
HF_TOKEN_SECRET = "llm-d-hf-token"  # noqa: S105 - the guides' name of the Secret, not its value
# Later official charts ask for 4 to 8 CPUs and 8 GiB, which no laptop has beside two model servers.
# Measured, the picker and its Envoy take well under one core at 20 requests/s; CPU has no limit, so
# that a busy one takes what the node has.
PICKER_REQUESTS = {"cpu": "250m", "memory": "512Mi"}
PICKER_LIMITS = {"memory": "2Gi"}
FRONT_REPLICAS = 2
"""So that requests are taken while one is away."""
MARGIN_SECONDS = 300
"""Beyond a model's start: pulling its image, and being scheduled."""


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
    target = hardware.targets()[stack.hardware]
    kind = clusters[stack.cluster.kind]
    gateway = gateways[stack.gateway.provider]
    nodes = kind.nodes(stack.cluster, target)
    hf_token_secret = HF_TOKEN_SECRET if "hfToken" in secrets else None
    models = [
        _model(model, stack, release, target, gateway, kind, hf_token_secret)
        for model in stack.models
    ]
    problems = [
        *kind.problems(stack.cluster),
        *checks.models(stack, release, target, secrets),
        *checks.collisions(stack, models),
        *checks.lengths(models),
        *checks.devices(stack, target, nodes),
    ]
    if not problems:
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
            hf_token_secret=hf_token_secret,
        ),
        gateway=Gateway(
            provider=stack.gateway.provider, crds=(*_crds(stack.gateway.crds, gateway, release),)
        ),
        models=tuple(models),
    )


def _model(
    model: config.Model,
    stack: config.Stack,
    release: Release,
    target: Hardware,
    gateway: GatewayKind,
    cluster: ClusterKind[config.Cluster],
    hf_token_secret: str | None,
) -> Model:
    postfix = f"{stack.names.postfix}-{model.id}" if model.id else stack.names.postfix
    namespace = stack.names.namespace
    serving = {release.serving_label: "true", "llm-d.ai/model": slug(model.name)}
    pool, service = f"gaie-{postfix}", f"ms-{postfix}-llm-d-modelservice"
    startup = target.startup_seconds
    behind = Behind(
        picker=dns(f"{pool}-epp", namespace),
        pods=dns(service, namespace),
        port=MODEL_PORT,
        fails_open=model.scheduler.failure_mode == "FailOpen",
    )
    return Model(
        name=model.name,
        id=model.id,
        pool=Pool(
            name=pool,
            picker=f"{pool}-epp",
            # Cluster-wide, so the namespace is part of it: two stacks may share a cluster.
            cluster_role=f"{pool}-{namespace}-epp",
            namespace=namespace,
            group=release.pool_group,
            objectives_group=release.objectives_group,
            selects=serving,
            target_port=MODEL_PORT,
            image=release.endpoint_picker,
            picker_config=scheduling.picker_config(model.scheduler, release),
            failure_mode=model.scheduler.failure_mode,
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
        )
        if gateway.proxy
        else None,
        service=Service(
            name=service,
            decode=f"{service}-decode",
            namespace=namespace,
            labels={**serving, "llm-d.ai/role": "decode"},
            replicas=model.replicas,
            image=model.image or target.image.format_map(release.versions),
            command=target.command,
            args=arguments(model, target),
            env=target.env,
            hf_token_secret=hf_token_secret,
            port=MODEL_PORT,
            requests=_amounts(target.requests, model.resources.requests, model, target),
            limits=_amounts(target.limits, model.resources.limits, model, target),
            storage=model.storage,
            shared_memory=target.shared_memory,
            hardware=target,
            startup_seconds=startup,
            deadline_seconds=startup + MARGIN_SECONDS,
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


def arguments(model: config.Model, target: Hardware) -> tuple[str, ...]:
    """Of the model server."""
    asked = (argument.format(model=model.name) for argument in target.model_argument)
    kv_cache = model.kv_cache or target.kv_cache
    longest = model.max_model_len or target.max_model_len
    return (
        *asked,
        f"--port={MODEL_PORT}",
        f"--served-model-name={model.name}",
        *(
            (f"--tensor-parallel-size={model.tensor_parallel}",)
            if model.tensor_parallel > 1
            else ()
        ),
        *((f"--max-model-len={longest}",) if longest else ()),
        *((f"--kv-cache-memory-bytes={int(quantity.parse(kv_cache))}",) if kv_cache else ()),
        *target.args,
    )


def _amounts(
    default: Mapping[str, str], asked: config.Amounts, model: config.Model, target: Hardware
) -> Mapping[str, str]:
    """What a pod asks for: the model's words over the target's, a device per rank."""
    said = {"cpu": asked.cpu, "memory": asked.memory}
    devices = {target.resource: str(model.tensor_parallel)} if target.resource else {}
    return {**default, **{key: value for key, value in said.items() if value}, **devices}


def _crds(asked: config.Crds, gateway: GatewayKind, release: Release) -> Iterator[Crds]:
    for name, said in (
        ("gatewayApi", asked.gateway_api),
        ("inferenceExtension", asked.inference_extension),
    ):
        install = name in gateway.crds if said is None else said
        if install:
            yield Crds(name=name, bundle=release.crds[name], adopt=install == "adopt")
