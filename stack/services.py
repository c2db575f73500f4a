"""From a model's words to the `Service` that serves it."""

from collections.abc import Mapping

from stack import config, roles, servers, sizing, sources
from stack.ground import Ground
from stack.plan import Claim, DeviceClaim, Files, Role, RoutingProxy, Scaling, Service
from stack.releases import Release
from stack.roles import Asked

MARGIN_SECONDS = 300
"""Beyond a model's start: pulling its image, and being scheduled."""


def service(
    model: config.Model,
    ground: Ground,
    *,
    name: str,
    namespace: str,
    labels: Mapping[str, str],
    hf_token_secret: str | None,
    pull_secrets: tuple[str, ...],
    user: int | None,
    scaling: Scaling | None,
) -> Service:
    """`labels` are what the model's pool selects by."""
    target, release = ground.target, ground.release
    made = {one.role: _role(one, model, ground, name, labels) for one in roles.asked(model)}
    startup = sizing.startup_seconds(model, ground)
    return Service(
        name=name,
        namespace=namespace,
        decode=made["decode"],
        prefill=made.get("prefill"),
        image=model.image or ground.server.image,
        command=ground.server.command,
        env=servers.environment(model, ground),
        env_fields=servers.pod_fields(model, ground),
        hf_token_secret=hf_token_secret,
        home=servers.HOME,
        cache=servers.CACHE,
        files=_files(model, name),
        port=servers.PORT,
        port_name=release.port_name,
        shared_memory=target.shared_memory,
        hardware=target,
        pods=model.pods,
        pull_secrets=(*model.pods.image_pull_secrets, *pull_secrets),
        account=model.pods.service_account or name,
        user=user,
        scaling=scaling,
        startup_seconds=startup,
        deadline_seconds=startup + MARGIN_SECONDS,
    )


def _role(
    one: Asked,
    model: config.Model,
    ground: Ground,
    name: str,
    labels: Mapping[str, str],
) -> Role:
    proxied = bool(model.prefill) and one.role == "decode"
    port = servers.BEHIND_PROXY if proxied else servers.PORT
    target = ground.target
    devices = target.devices(one.parallel.on_node)
    counted = {target.resource: str(devices)} if target.resource else {}
    return Role(
        name=one.role,
        workload=f"{name}-{one.role}",
        labels={**labels, "llm-d.ai/role": one.role},
        replicas=_most(one, model),
        nodes=one.parallel.nodes,
        port=port,
        args=servers.arguments(model, one, ground, port=port),
        requests=_amounts(target.requests, one.resources.requests, counted),
        limits=_amounts(target.limits, one.resources.limits, counted),
        device_claim=DeviceClaim(
            template=f"{name}-{one.role}", device_class=target.claim, count=devices
        )
        if target.claim
        else None,
        proxy=_proxy(ground.release) if proxied else None,
        max_unavailable=_max_unavailable(model.pods.max_unavailable, one.replicas),
    )


def _most(one: Asked, model: config.Model) -> int:
    if one.role == "decode" and model.autoscaling:
        return model.autoscaling.max_replicas
    return one.replicas


def _amounts(
    default: Mapping[str, str], said: config.Amounts, devices: Mapping[str, str]
) -> Mapping[str, str]:
    """What a pod asks for: the stack file's words over the target's, and devices."""
    words = {"cpu": said.cpu, "memory": said.memory}
    return {**default, **{key: value for key, value in words.items() if value}, **devices}


def _proxy(release: Release) -> RoutingProxy:
    return RoutingProxy(
        image=release.routing_proxy,
        args=(
            f"--port={servers.PORT}",
            f"--vllm-port={servers.BEHIND_PROXY}",
            "--secure-proxy=false",
        ),
        port=servers.PORT,
        requests={"cpu": "100m", "memory": "128Mi"},
        limits={"memory": "512Mi"},
    )


def _max_unavailable(said: int | None, replicas: int) -> int | None:
    if said is None:
        return 1 if replicas > 1 else None
    return said


def _files(model: config.Model, name: str) -> Files:
    source = sources.of(model)
    made = model.claim and Claim(
        size=model.claim.size,
        storage_class=model.claim.storage_class,
        access_mode=model.claim.access_mode,
    )
    claim = source.claim or (f"{name}-models" if made else None)
    repositories = (source, *map(sources.of, model.adapters))
    return Files(
        claim=claim,
        size=sizing.storage(model),
        created=made,
        downloads=tuple(one.repository for one in repositories if one.repository and claim),
        job=f"{name}-prefetch",
    )
