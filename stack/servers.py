"""What model servers are told: arguments and environment."""

import json
from collections.abc import Iterator, Mapping

from stack import config, flags, lws, quantity, roles, scheduling, sizing, sources
from stack.flags import flag
from stack.ground import Ground
from stack.hardware import Hardware
from stack.problems import wrong
from stack.roles import Asked, Parallel
from stack.schedulers import KV_EVENTS

PORT = 8000
"""Where requests come in."""
BEHIND_PROXY = 8200
"""Where a model server listens that has a proxy before it."""
NIXL_PORT = 5600
"""Where one model server asks another for a KV cache."""
HOME = "/home/llm-d"
CACHE = "/model-cache"
"""Where the model's files are mounted."""
LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""That vLLM can be told to make room for."""

KEYS: Mapping[str, str] = {
    "--model": "`source`",
    "--served-model-name": "`name` and `aliases`",
    "--port": "nothing: the endpoint picker and its pool know this one",
    "--tensor-parallel-size": "`tensorParallel`",
    "--data-parallel-size": "`dataParallel`",
    "--nnodes": "`nodes`",
    "--node-rank": "`nodes`",
    "--master-addr": "`nodes`",
    "--headless": "`nodes`",
    "--max-model-len": "`maxModelLen`",
    "--dtype": "`dtype`",
    "--quantization": "`quantization`",
    "--kv-cache-dtype": "`kvCacheDtype`",
    "--kv-cache-memory-bytes": "`kvCache`",
    "--enable-lora": "`adapters`",
    "--lora-modules": "`adapters`",
    "--max-loras": "`adapters`",
    "--max-lora-rank": "`adapters`",
}
"""Argument -> the key of a stack file that says it."""

OURS = "no value: this program sets it itself"

RESERVED: Mapping[str, str] = {
    "HF_TOKEN": "`llm-d:hfToken` or `names.hfTokenSecret`, which keep it secret",
    "VLLM_PORT": "nothing: vLLM takes it for its ports between processes",
    **dict.fromkeys((lws.LEADER_ADDRESS, lws.INDEX), "nothing: LeaderWorkerSet sets it"),
}
"""Variable -> what to say instead."""


def arguments(model: config.Model, role: Asked, ground: Ground, *, port: int) -> tuple[str, ...]:
    """Of one role's model servers; the stack file's come last, and instead of the hardware's."""
    said = (*model.args, *role.args)
    named = {flag(one) for one in said}
    share = ground.target.memory_utilization
    usual = (
        *ground.server.args,
        *ground.target.args,
        *((f"--gpu-memory-utilization={share}",) if share else ()),
    )
    return (
        *own(model, role, ground, port=port),
        *(one for one in usual if flag(one) not in named),
        *said,
    )


def own(model: config.Model, role: Asked, ground: Ground, *, port: int) -> tuple[str, ...]:
    """What the plan says itself, and nobody else may."""
    target, parallel = ground.target, role.parallel
    kv_cache = sizing.kv_cache(model, role, target)
    said = {
        "tensor-parallel-size": parallel.tensor if parallel.tensor > 1 else None,
        "data-parallel-size": parallel.data if parallel.data > 1 else None,
        "max-model-len": model.max_model_len or target.max_model_len,
        "dtype": model.dtype or target.dtype,
        "quantization": model.quantization,
        "kv-cache-dtype": model.kv_cache_dtype or target.kv_cache_dtype,
        "kv-cache-memory-bytes": int(quantity.parse(kv_cache)) if kv_cache else None,
    }
    return (
        *(one.format(model=path_of(sources.of(model))) for one in ground.server.model_argument),
        f"--port={port}",
        f"--served-model-name={model.name}",
        *(f"--{name}={value}" for name, value in said.items() if value is not None),
        *(_over_nodes(parallel) if parallel.nodes > 1 else ()),
        *(_adapters(model, target) if model.adapters else ()),
        *(_handover() if model.prefill and target.server == "vllm" else ()),
        *(_events(model, ground) if scheduling.listens(model, ground.release) else ()),
    )


def environment(model: config.Model, ground: Ground) -> dict[str, str]:
    """The stack file's over the hardware's; the plan's own are in neither."""
    target = ground.target
    return {**target.env, **ground.server.env, **own_environment(model, ground), **model.env}


def own_environment(model: config.Model, ground: Ground) -> dict[str, str]:
    target, source = ground.target, sources.of(model)
    folder = f"/{source.folder}" if source.repository and source.folder else ""
    made = {
        "HOME": HOME,
        # A user id that no /etc/passwd knows has no name, for which PyTorch asks.
        "USER": "llm-d",
        "HF_HOME": f"{CACHE}{folder}",
    }
    if source.claim or model.claim:
        # What is on a claim is complete and read-only: code that comes with a model goes home.
        made |= {"HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": f"{HOME}/modules"}
    if model.prefill and target.server == "vllm":
        made["VLLM_NIXL_SIDE_CHANNEL_PORT"] = str(NIXL_PORT)
    if scheduling.tokenizes(model, ground.release):
        made["PYTHONHASHSEED"] = KV_EVENTS.hash_seed
    return made


def pod_fields(model: config.Model, ground: Ground) -> dict[str, str]:
    """Variable -> field of the pod that it has the value of."""
    # What logs and answers can say they come from.
    made = {"POD_NAME": "metadata.name"}
    if model.prefill and ground.target.server == "vllm":
        made["VLLM_NIXL_SIDE_CHANNEL_HOST"] = "status.podIP"
    if scheduling.listens(model, ground.release):
        made["POD_IP"] = "status.podIP"
    return made


def problems(model: config.Model, ground: Ground, at: str) -> Iterator[str]:
    """Arguments and variables that the plan sets itself."""
    decode, *prefill = roles.asked(model)
    made = {flag(one) for one in own(model, decode, ground, port=PORT)}
    listed = {f"{at}.args": model.args, **{f"{at}{one.at}.args": one.args for one in prefill}}
    for where, said in listed.items():
        for index, one in enumerate(said):
            if key := KEYS.get(flag(one)):
                yield wrong(f"{where}[{index}]", one, f"{key} instead")
            elif flag(one) in made:
                yield wrong(f"{where}[{index}]", one, OURS)
            elif flag(one) in flags.NUMBERS and not flags.number([one], flag(one)):
                yield wrong(f"{where}[{index}]", one, "a number above 0")
    variables = {*own_environment(model, ground), *pod_fields(model, ground)}
    for name, value in model.env.items():
        if key := RESERVED.get(name):
            # Its value may be a secret.
            yield wrong(f"{at}.env.{name}", "given", f"{key} instead")
        elif name in variables:
            yield wrong(f"{at}.env.{name}", value, OURS)


def _over_nodes(parallel: Parallel) -> tuple[str, ...]:
    """LeaderWorkerSet tells each pod where its leader is and which one it is itself."""
    return (
        f"--nnodes={parallel.nodes}",
        f"--node-rank=$({lws.INDEX})",
        f"--master-addr=$({lws.LEADER_ADDRESS})",
    )


def _adapters(model: config.Model, target: Hardware) -> tuple[str, ...]:
    modules = [
        json.dumps(
            {"name": one.name, "path": path_of(sources.of(one)), "base_model_name": model.name}
        )
        for one in model.adapters
    ]
    rank = min(one for one in LORA_RANKS if one >= max(two.rank for two in model.adapters))
    room = ("--enable-lora", f"--max-lora-rank={rank}") if target.server == "vllm" else ()
    return (*room, f"--max-loras={len(modules)}", "--lora-modules", *modules)


def path_of(source: sources.Source) -> str:
    """A repository on Hugging Face, or a folder of the claim."""
    return source.repository or f"{CACHE}/{source.folder}"


def _handover() -> tuple[str, ...]:
    """Every pod may give and take: the endpoint picker decides who does which."""
    said = {"kv_connector": "NixlConnector", "kv_role": "kv_both"}
    return (f"--kv-transfer-config={json.dumps(said)}",)


def _events(model: config.Model, ground: Ground) -> tuple[str, ...]:
    # By what the endpoint picker of the release knows the pod.
    port = "" if scheduling.tokenizes(model, ground.release) else f":{PORT}"
    said = {
        "enable_kv_cache_events": True,
        "publisher": "zmq",
        "endpoint": f"tcp://*:{KV_EVENTS.port}",
        "topic": f"{KV_EVENTS.topic}$(POD_IP){port}@{model.name}",
    }
    return (f"--block-size={KV_EVENTS.block_size}", f"--kv-events-config={json.dumps(said)}")
