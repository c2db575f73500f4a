"""Hardware targets: one module each, holding one `TARGET` and no logic.

What a release brings for a target, its image above all, is in the release.
"""

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
    DTYPE = "dtype"
    KV_CACHE = "kvCache"
    KV_CACHE_DTYPE = "kvCacheDtype"
    QUANTIZATION = "quantization"
    DATA_PARALLEL = "dataParallel"
    NODES = "nodes"
    PREFILL = "prefill"
    CLAIM = "source"
    KV_EVENTS = "scheduler"


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What differs between the machines that model servers run on."""

    server: Literal["vllm", "simulator"] = "vllm"
    """Whose arguments its image takes; a simulator downloads nothing."""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    dtype: Literal["bfloat16", "float16"] | None = None
    """Of weights and activations; None where the server takes the model's own."""
    kv_cache_dtype: Literal["fp8"] | None = None
    kv_cache: str | None = None
    """Default size; None where the server takes what the device has left."""
    memory_utilization: float | None = None
    """Share of a device's memory that the server takes; None leaves it at its own default."""
    max_model_len: int | None = None
    """Default; None where the server takes the model's own."""
    resource: str | None
    """Extended resource that the device plugin advertises; None on CPU, and with a claim."""
    claim: str | None = None
    """DeviceClass of the claims by which pods get their devices, where no plugin counts them."""
    ranks_per_device: int = 1
    """Of tensor parallelism: a TPU7x chip has two cores."""
    whole_nodes: bool = False
    """Whether a pod has all devices of its node or none: slices of a TPU are not shared."""
    accelerator: str | None = None
    """Of `capacity.DEVICES`, where the target can be no other."""
    requests: Mapping[str, str]
    limits: Mapping[str, str]
    shared_memory: str | None = None
    """Of /dev/shm, where ranks of one replica talk to each other."""
    node: Mapping[str, str]
    """Allocatable of the machine that this target is usually sold as; nodes are simulated so."""
    node_devices: int = 0
    """Of that machine."""
    node_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    node_selector: Mapping[str, str] = field(default_factory=dict[str, str])
    instructions: frozenset[str] = frozenset()
    """Of its CPUs, without which published images stop at once; as Linux calls them."""
    bfloat16: frozenset[str] = frozenset()
    """Any of which a CPU computes bfloat16 with; others need `dtype: float32`."""
    tolerates: tuple[str, ...] = ()
    """Keys of NoSchedule taints that keep other pods off its machines."""
    pod_security: Literal["restricted", "privileged"] = "restricted"
    """The strictest Pod Security Standard that its pods pass."""
    supplemental_groups: tuple[int, ...] = ()
    """Of the pod's user: those that own the device files on its machines."""
    capabilities: tuple[str, ...] = ()
    """Linux capabilities that its server cannot do without."""
    seccomp: Literal["RuntimeDefault", "Unconfined"] = "RuntimeDefault"
    startup_seconds: int
    """How long a model server may take to load, compile and warm up, once the model is there."""
    lacks: Mapping[Feature, str] = field(default_factory=dict[Feature, str])
    """Feature -> why this target cannot have it, as the user should read it."""

    @property
    def has_devices(self) -> bool:
        return bool(self.resource or self.claim)

    def devices(self, tensor_parallel: int) -> int:
        """That one replica takes, all of them on one node."""
        return -(-tensor_parallel // self.ranks_per_device) if self.has_devices else 0


@cache
def targets() -> Mapping[str, Hardware]:
    """Every target, named after its module: `cpu_arm64.py` is `cpu-arm64`."""
    return {
        module.name.replace("_", "-"): import_module(f"{__name__}.{module.name}").TARGET
        for module in pkgutil.iter_modules(__path__)
    }
