"""Prompts are read by one pod and answered by another, each chosen by what its caches hold.

Chosen by itself where a model has `prefill`.
"""

from dataclasses import replace

from stack.schedulers import PREFIX_CACHE, Plugin, Scheduler

BY_ROLE = Scheduler(
    plugins=(
        Plugin(type="queue-scorer", weight=1),
        Plugin(type="prefix-cache-scorer", weight=2, parameters=PREFIX_CACHE),
    ),
    profiles={
        "prefill": (Plugin(type="prefill-filter"),),
        "decode": (Plugin(type="decode-filter"),),
    },
)
SCHEDULER = replace(
    BY_ROLE,
    handlers=(
        Plugin(type="disagg-headers-handler"),
        # Before what refers to it.
        Plugin(type="always-disagg-pd-decider"),
        Plugin(
            type="disagg-profile-handler",
            parameters={"deciders": {"prefill": "always-disagg-pd-decider"}},
        ),
    ),
    before=replace(
        BY_ROLE,
        handlers=(Plugin(type="prefill-header-handler"), Plugin(type="pd-profile-handler")),
    ),
)
