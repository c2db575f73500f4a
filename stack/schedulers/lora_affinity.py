"""A pod that has the adapter loaded counts as much as one that has the prompt's prefix cached."""

from stack.schedulers import PREFIX_CACHE, Plugin, Scheduler

SCHEDULER = Scheduler(
    plugins=(
        Plugin(type="lora-affinity-scorer", weight=3),
        Plugin(type="queue-scorer", weight=2),
        Plugin(type="kv-cache-utilization-scorer", weight=2),
        Plugin(type="prefix-cache-scorer", weight=3, parameters=PREFIX_CACHE),
    ),
)
