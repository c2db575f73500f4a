"""Apple Silicon and other arm64 CPUs, sized for a laptop."""

from dataclasses import replace

from stack.hardware import cpu

TARGET = replace(
    cpu.TARGET,
    args=("--disable-frontend-multiprocessing",),
    env={"VLLM_TARGET_DEVICE": "cpu", "VLLM_CPU_OMP_THREADS_BIND": "auto"},
    dtype="bfloat16",
    kv_cache="2Gi",
    requests={"cpu": "500m", "memory": "3Gi"},
    limits={"cpu": "4", "memory": "8Gi"},
    shared_memory="1Gi",
    node={"cpu": "8", "memory": "24Gi", "ephemeral-storage": "100Gi"},
    node_labels={"kubernetes.io/arch": "arm64"},
    node_selector={"kubernetes.io/arch": "arm64"},
    instructions=frozenset(),
    bfloat16=frozenset(),
    startup_seconds=2400,
)
