"""Accelerators: how much memory a server finds there, and what is known of its overheads."""

from collections.abc import Mapping
from dataclasses import dataclass

GIB = 2**30
GB = 10**9


@dataclass(frozen=True, kw_only=True)
class Overheads:
    """What vLLM takes beside weights and cache, on each accelerator; bytes."""

    activation: Mapping[str, float]
    """Peak by architecture; it depends on neither length nor tensor parallelism."""
    dense: float
    """Peak of an architecture that was not measured."""
    mixture: float
    """The same, of a mixture of experts."""
    alone: float
    """Outside of torch: one rank, …"""
    staged: float
    """… pipeline parallel, …"""
    sharded: float
    """… tensor parallel."""
    graphs: float
    """CUDA graphs."""
    source: str


@dataclass(frozen=True, kw_only=True)
class Device:
    name: str
    memory: float
    """Bytes that the server's runtime reports, which is less than what is sold."""
    source: str
    """Of `memory`."""
    overheads: Overheads | None = None
    """None where nobody has published them: then the answer is an upper bound."""
    fp8: bool = False
    """Whether weights and cache can be fp8."""
    splits: bool = True
    """Whether a replica can be split over several."""
    whole_blocks: bool = True
    """Whether its kernels take whole quantization blocks, which a rank then has to hold."""


def _gib(**amounts: float) -> dict[str, float]:
    return {name: amount * GIB for name, amount in amounts.items()}


# llm-d-planner, data/configuration/vllm_memory_constants.json; GptOss from its accuracy report.
NVIDIA = Overheads(
    activation=_gib(
        DeepseekV2=1.93,
        Gemma2=3.65,
        Gemma3=3.94,
        GptOss=2.87,
        Granite=0.85,
        Llama=1.89,
        Mistral3=2.10,
        Mixtral=1.21,
        Phi3=1.52,
        Qwen2=2.25,
        Qwen3=2.21,
        Qwen3Moe=2.68,
    ),
    dense=2.0 * GIB,
    mixture=2.5 * GIB,
    alone=0.27 * GIB,
    staged=0.07 * GIB,
    sharded=2.10 * GIB,
    graphs=1.0 * GIB,
    source="measured with vLLM 0.19 on H100",
)

# vLLM's CPU worker asks for weights and cache; the rest is Python, torch and buffers.
CPU = Overheads(
    activation={},
    dense=4 * GIB,
    mixture=4 * GIB,
    alone=0,
    staged=0,
    sharded=0,
    graphs=0,
    source="a margin, not measured",
)

DEVICES: Mapping[str, Device] = {
    "a100-40gb": Device(
        name="NVIDIA A100 40GB",
        memory=42_298_834_944,
        source="CUDA device query in bottlerocket-os/bottlerocket#3873",
        overheads=NVIDIA,
    ),
    "a100-80gb": Device(
        name="NVIDIA A100 80GB", memory=80 * GB, source="NVIDIA data sheet", overheads=NVIDIA
    ),
    "b200": Device(
        name="NVIDIA B200",
        memory=178.35 * GIB,
        source="torch's out-of-memory messages",
        overheads=NVIDIA,
        fp8=True,
    ),
    "h100-80gb": Device(
        name="NVIDIA H100 80GB",
        memory=79.19 * GIB,
        source="measured, llm-d-planner accuracy/results/v0.19.0",
        overheads=NVIDIA,
        fp8=True,
    ),
    "h200": Device(
        name="NVIDIA H200",
        memory=139 * GIB,
        source="device tools",
        overheads=NVIDIA,
        fp8=True,
    ),
    "l4": Device(
        name="NVIDIA L4",
        memory=22 * GIB,
        source="assumed: 23034 MiB less the driver's",
        overheads=NVIDIA,
        fp8=True,
    ),
    "l40s": Device(
        name="NVIDIA L40S",
        memory=44.53 * GIB,
        source="torch, in vllm-project/vllm#15598",
        overheads=NVIDIA,
        fp8=True,
    ),
    "t4": Device(name="NVIDIA T4", memory=16 * GB, source="NVIDIA data sheet", overheads=NVIDIA),
    "mi300x": Device(
        name="AMD MI300X",
        memory=191.98 * GIB,
        source="torch's out-of-memory messages in AMD's tutorials",
        fp8=True,
    ),
    "gaudi3": Device(name="Intel Gaudi 3", memory=128 * GB, source="Intel data sheet", fp8=True),
    "max-1550": Device(name="Intel Max 1550", memory=128 * GB, source="Intel data sheet"),
    "tpu-v6e": Device(
        name="TPU v6e",
        memory=32 * GIB,
        source="docs.cloud.google.com/tpu/docs/tpu7x",
        whole_blocks=False,
    ),
    "tpu7x": Device(
        name="TPU7x",
        memory=192 * GIB,
        source="docs.cloud.google.com/tpu/docs/tpu7x",
        # llm-d's guide splits experts of 2560 columns, in blocks of 128, over 8 ranks.
        whole_blocks=False,
    ),
}
"""By the word that a stack file says. Where only a data sheet is known, GB are taken as 10^9."""


def cpu(memory: float) -> Device:
    """A pod on a CPU node that may use `memory` bytes."""
    return Device(name="CPU", memory=memory, source="the pod's limit", overheads=CPU, splits=False)
