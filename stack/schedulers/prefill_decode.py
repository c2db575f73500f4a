"""Prompts are read by one pod and answered by another, each chosen by what its caches hold.

Chosen by itself where a model has `prefill`.
"""

from stack.schedulers import PREFIX_CACHE, Plugin, Scheduler

SCHEDULER = Scheduler(
    handlers=(Plugin(type="prefill-header-handler"), Plugin(type="pd-profile-handler")),
    plugins=(
        Plugin(type="queue-scorer", weight=1),
        Plugin(type="prefix-cache-scorer", weight=2, parameters=PREFIX_CACHE),
    ),
    profiles={
        "prefill": (Plugin(type="prefill-filter"),),
        "decode": (Plugin(type="decode-filter"),),
    },
)
