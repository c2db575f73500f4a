"""llm-d's own: queue and cache use together outweigh a prompt whose prefix is cached."""

from stack.schedulers import PREFIX_CACHE, Plugin, Scheduler

SCHEDULER = Scheduler(
    plugins=(
        Plugin(type="queue-scorer", weight=2),
        Plugin(type="kv-cache-utilization-scorer", weight=2),
        Plugin(type="prefix-cache-scorer", weight=3, parameters=PREFIX_CACHE),
    ),
)
