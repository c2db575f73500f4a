"""Hardware targets: one module each, holding one `TARGET` and no logic."""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib import import_module
from typing import Literal


class Feature(StrEnum):
    """What a model may ask for and a target may lack."""

    TENSOR_PARALLEL = "tensorParallel"


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What differs between the machines that model servers run on."""

    image: str
    """With the release's versions in braces: `ghcr.io/llm-d/llm-d-cuda:{llm_d}`."""
    command: tuple[str, ...] = ("vllm", "serve")
    """Empty for an image whose own entrypoint is the server."""
    model_argument: tuple[str, ...] = ("{model}",)
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    kv_cache: str | None = None
    """Default size; None where the server takes what the device has left."""
    max_model_len: int | None = None
    """Default; None where the server takes the model's own."""
    resource: str | None
    """Extended resource that the device plugin advertises; None on CPU."""
    requests: Mapping[str, str]
    limits: Mapping[str, str]
    shared_memory: str | None = None
    """Of /dev/shm, where ranks of one replica talk to each other."""
    node: Mapping[str, str]
    """Allocatable of the machine that this target is usually sold as; nodes are simulated so."""
    node_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    node_selector: Mapping[str, str] = field(default_factory=dict[str, str])
    tolerates: tuple[str, ...] = ()
    """Keys of NoSchedule taints that keep other pods off its machines."""
    pod_security: Literal["restricted", "privileged"] = "restricted"
    """The strictest Pod Security Standard that its pods pass."""
    capabilities: tuple[str, ...] = ()
    """Linux capabilities that its server cannot do without."""
    seccomp: Literal["RuntimeDefault", "Unconfined"] = "RuntimeDefault"
    startup_seconds: int
    """How long a model server may take to download, load and compile before it is restarted."""
    lacks: Mapping[Feature, str] = field(default_factory=dict[Feature, str])
    """Feature -> why this target cannot have it, as the user should read it."""


@cache
def targets() -> Mapping[str, Hardware]:
    """Every target, named after its module: `cpu_arm64.py` is `cpu-arm64`."""
    return {
        module.name.replace("_", "-"): import_module(f"{__name__}.{module.name}").TARGET
        for module in pkgutil.iter_modules(__path__)
    }
