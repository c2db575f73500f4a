"""Intel GPUs that the device plugin counts as i915."""

from stack.hardware import Hardware

RENDER = 107
"""Group that owns /dev/dri/render* on the guides' machines."""

TARGET = Hardware(
    args=("--disable-sliding-window",),
    env={"VLLM_WORKER_MULTIPROC_METHOD": "spawn", "TORCH_LLM_ALLREDUCE": "1"},
    dtype="float16",
    resource="gpu.intel.com/i915",
    requests={"cpu": "4", "memory": "12Gi"},
    limits={"cpu": "8", "memory": "24Gi"},
    shared_memory="4Gi",
    node={"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti"},
    node_devices=4,
    node_labels={"kubernetes.io/arch": "amd64"},
    supplemental_groups=(RENDER,),
    startup_seconds=1200,
)
