"""What each pod's KV cache holds, as the pods themselves tell it, instead of what was sent there.

The endpoint picker listens to every pod, so that a second one that stands by knows as much.
"""

from stack.schedulers import KV_EVENTS, REPOSITORY, Plugin, Scheduler

SCHEDULER = Scheduler(
    plugins=(
        Plugin(
            type="precise-prefix-cache-scorer",
            weight=3,
            parameters={
                "tokenProcessorConfig": {
                    "blockSize": KV_EVENTS.block_size,
                    "hashSeed": KV_EVENTS.hash_seed,
                },
                "indexerConfig": {
                    "tokenizersPoolConfig": {
                        "modelName": REPOSITORY,
                        "hf": {"tokenizersCacheDir": "/tmp/tokenizers"},  # noqa: S108 - in a pod
                    },
                    "kvBlockIndexConfig": {"enableMetrics": True},
                },
                "kvEventsConfig": {
                    "topicFilter": KV_EVENTS.topic,
                    "concurrency": 4,
                    "discoverPods": True,
                    "podDiscoveryConfig": {"socketPort": KV_EVENTS.port},
                },
            },
        ),
        Plugin(type="kv-cache-utilization-scorer", weight=2),
        Plugin(type="queue-scorer", weight=2),
    ),
)
