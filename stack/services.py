"""From a model's words to the `Service` that serves it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stack import config, servers, sources
from stack.hardware import Hardware
from stack.plan import Claim, Files, Proxy, Role, Service
from stack.releases import Release
from stack.servers import Parallel

MARGIN_SECONDS = 300
"""Beyond a model's start: pulling its image, and being scheduled."""


def service(
    model: config.Model,
    release: Release,
    target: Hardware,
    *,
    name: str,
    namespace: str,
    labels: Mapping[str, str],
    hf_token_secret: str | None,
) -> Service:
    """`labels` are what the model's pool selects by."""
    roles = {one.role: _role(one, model, release, target, name, labels) for one in asked(model)}
    return Service(
        name=name,
        namespace=namespace,
        decode=roles["decode"],
        prefill=roles.get("prefill"),
        image=model.image or target.image.format_map(release.versions),
        command=target.command,
        env=servers.environment(model, target),
        env_fields=servers.pod_fields(model, target),
        hf_token_secret=hf_token_secret,
        home=servers.HOME,
        cache=servers.CACHE,
        files=_files(model, name),
        port=servers.PORT,
        shared_memory=target.shared_memory,
        hardware=target,
        pods=model.pods,
        account=model.pods.service_account or name,
        startup_seconds=target.startup_seconds,
        deadline_seconds=target.startup_seconds + MARGIN_SECONDS,
    )


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a stack file asks of one role's pods, with what it leaves out."""

    role: str
    at: str
    """Of the role's keys, after the model's path."""
    replicas: int
    parallel: Parallel
    args: tuple[str, ...]
    """Beside the model's."""
    resources: config.Resources


def asked(model: config.Model) -> Iterator[Asked]:
    """Of each role, the one that answers first."""
    yield Asked(
        role="decode",
        at="",
        replicas=model.replicas,
        parallel=Parallel(
            tensor=model.tensor_parallel, data=model.data_parallel, nodes=model.nodes
        ),
        args=(),
        resources=model.resources,
    )
    if said := model.prefill:
        yield Asked(
            role="prefill",
            at=".prefill",
            replicas=said.replicas,
            parallel=Parallel(
                tensor=said.tensor_parallel or model.tensor_parallel,
                data=said.data_parallel or model.data_parallel,
                nodes=said.nodes or model.nodes,
            ),
            args=(*said.args,),
            resources=said.resources or model.resources,
        )


def _role(
    one: Asked,
    model: config.Model,
    release: Release,
    target: Hardware,
    name: str,
    labels: Mapping[str, str],
) -> Role:
    proxied = bool(model.prefill) and one.role == "decode"
    port = servers.BEHIND_PROXY if proxied else servers.PORT
    return Role(
        name=one.role,
        workload=f"{name}-{one.role}",
        labels={**labels, "llm-d.ai/role": one.role},
        replicas=one.replicas,
        nodes=one.parallel.nodes,
        port=port,
        args=servers.arguments(model, target, one.parallel, port=port, more=one.args),
        requests=_amounts(target.requests, one.resources.requests, one.parallel, target),
        limits=_amounts(target.limits, one.resources.limits, one.parallel, target),
        proxy=_proxy(release) if proxied else None,
        max_unavailable=_max_unavailable(model.pods.max_unavailable, one.replicas),
    )


def _amounts(
    default: Mapping[str, str], said: config.Amounts, parallel: Parallel, target: Hardware
) -> Mapping[str, str]:
    """What a pod asks for: the stack file's words over the target's, a device per rank."""
    words = {"cpu": said.cpu, "memory": said.memory}
    devices = {target.resource: str(parallel.on_node)} if target.resource else {}
    return {**default, **{key: value for key, value in words.items() if value}, **devices}


def _proxy(release: Release) -> Proxy:
    return Proxy(
        image=release.routing_proxy,
        args=(
            f"--port={servers.PORT}",
            f"--vllm-port={servers.BEHIND_PROXY}",
            "--connector=nixlv2",
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
        size=model.storage,
        created=made,
        downloads=tuple(one.repository for one in repositories if one.repository and claim),
        job=f"{name}-prefetch",
    )
