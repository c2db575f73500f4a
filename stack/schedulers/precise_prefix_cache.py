"""What each pod's KV cache holds, as the pods themselves tell it, instead of what was sent there.

The endpoint picker listens to every pod, so that a second one that stands by knows as much. Of
what it compares, prompts in tokens, the servers make what it needs where a release has a producer
for it; before that, it read the model's tokenizer itself.
"""

from collections.abc import Mapping
from typing import Any

from stack.schedulers import KV_EVENTS, NAME, REPOSITORY, SERVERS, Plugin, Scheduler

INDEX: Mapping[str, Any] = {"enableMetrics": True}
EVENTS: Mapping[str, Any] = {
    "topicFilter": KV_EVENTS.topic,
    "concurrency": 4,
    "discoverPods": True,
    "podDiscoveryConfig": {"socketPort": KV_EVENTS.port},
}
LOAD = (
    Plugin(type="kv-cache-utilization-scorer", weight=2),
    Plugin(type="queue-scorer", weight=2),
)

SCHEDULER = Scheduler(
    handlers=(
        Plugin(type="token-producer", parameters={"modelName": NAME, "vllm": {"url": SERVERS}}),
        Plugin(type="metrics-data-source"),
        Plugin(type="core-metrics-extractor"),
        Plugin(type="endpoint-notification-source"),
        Plugin(
            type="precise-prefix-cache-producer",
            parameters={
                "tokenProcessorConfig": {"blockSizeTokens": KV_EVENTS.block_size},
                "indexerConfig": {"kvBlockIndexConfig": INDEX},
                "kvEventsConfig": EVENTS,
            },
        ),
    ),
    extracts={
        "metrics-data-source": "core-metrics-extractor",
        "endpoint-notification-source": "precise-prefix-cache-producer",
    },
    plugins=(
        Plugin(
            type="prefix-cache-scorer",
            weight=3,
            parameters={"prefixMatchInfoProducerName": "precise-prefix-cache-producer"},
        ),
        *LOAD,
    ),
    before=Scheduler(
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
                        "kvBlockIndexConfig": INDEX,
                    },
                    "kvEventsConfig": EVENTS,
                },
            ),
            *LOAD,
        ),
    ),
)
