"""A cached prefix outweighs queue and cache use together: for long prompts that many share."""

from stack.schedulers import PREFIX_CACHE, Plugin, Scheduler

SCHEDULER = Scheduler(
    plugins=(
        Plugin(type="queue-scorer", weight=1),
        Plugin(type="kv-cache-utilization-scorer", weight=1),
        Plugin(type="prefix-cache-scorer", weight=5, parameters=PREFIX_CACHE),
    ),
)
