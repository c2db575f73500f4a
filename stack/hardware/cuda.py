"""NVIDIA GPUs."""

from stack.hardware import Hardware

TARGET = Hardware(
    memory_utilization=0.95,
    resource="nvidia.com/gpu",
    requests={"cpu": "32", "memory": "100Gi"},
    limits={"cpu": "32", "memory": "100Gi"},
    shared_memory="20Gi",
    node={"cpu": "208", "memory": "1800Gi", "ephemeral-storage": "6Ti"},
    node_devices=8,
    node_labels={"kubernetes.io/arch": "amd64", "nvidia.com/gpu.present": "true"},
    tolerates=("nvidia.com/gpu",),
    startup_seconds=1800,
)
