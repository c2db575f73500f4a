"""Google's TPU7x (Ironwood) on GKE: machines with the four chips of a 2x2x1 slice, of two cores."""

from dataclasses import replace

from stack.hardware import tpu_v6e

TARGET = replace(
    tpu_v6e.TARGET,
    args=(
        "--max-num-batched-tokens=1028",
        "--max-num-seqs=128",
        "--async-scheduling",
    ),
    kv_cache_dtype="fp8",
    memory_utilization=0.93,
    ranks_per_device=2,
    accelerator="tpu7x",
    node={"cpu": "224", "memory": "960Gi", "ephemeral-storage": "1Ti"},
    node_devices=4,
    node_selector={tpu_v6e.KIND: "tpu7x", tpu_v6e.SLICE: "2x2x1"},
)
