"""AMD GPUs."""

from stack.hardware import Hardware

TARGET = Hardware(
    memory_utilization=0.95,
    resource="amd.com/gpu",
    requests={"cpu": "16", "memory": "100Gi"},
    limits={"cpu": "16", "memory": "100Gi"},
    shared_memory="20Gi",
    node={"cpu": "190", "memory": "1900Gi", "ephemeral-storage": "6Ti"},
    node_devices=8,
    node_labels={"kubernetes.io/arch": "amd64"},
    tolerates=("amd.com/gpu",),
    startup_seconds=1800,
)
