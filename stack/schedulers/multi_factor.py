"""The multi-factor weights of the OpenShift guide."""

from stack.schedulers import PREFIX_CACHE, Plugin, Scheduler

SCHEDULER = Scheduler(
    plugins=(
        Plugin(type="queue-scorer", weight=1),
        Plugin(type="kv-cache-utilization-scorer", weight=2),
        Plugin(type="prefix-cache-scorer", weight=3, parameters=PREFIX_CACHE),
    ),
)
