"""Types of plugins that endpoint pickers register, by the version that brought or dropped them."""

# The inference extension's: cmd/epp/runner/runner.go at the tag, without what is for tests.
EXTENSION_1_2 = frozenset(
    {
        "kv-cache-utilization-scorer",
        "lora-affinity-scorer",
        "max-score-picker",
        "prefix-cache-scorer",
        "queue-scorer",
        "random-picker",
        "single-profile-handler",
        "weighted-random-picker",
    }
)
EXTENSION_1_3 = EXTENSION_1_2 | {
    "metrics-data-source",
    "model-server-protocol-metrics",
    "predicted-latency-scorer",
    "running-requests-size-scorer",
}
EXTENSION_1_4 = EXTENSION_1_3 | {
    "edf-ordering-policy",
    "fcfs-ordering-policy",
    "global-strict-fairness-policy",
    "k8s-notification-source",
    "request-attribute-reporter",
    "round-robin-fairness-policy",
}
EXTENSION_1_5 = (EXTENSION_1_4 - {"model-server-protocol-metrics"}) | {
    "approx-prefix-cache-producer",
    "concurrency-detector",
    "core-metrics-extractor",
    "endpoint-notification-source",
    "inflight-load-producer",
    "latency-scorer",
    "latency-slo-admitter",
    "openai-parser",
    "passthrough-parser",
    "predicted-latency-producer",
    "prefix-cache-affinity-filter",
    "slo-deadline-ordering-policy",
    "slo-headroom-tier-filter",
    "static-usage-limit-policy",
    "token-load-scorer",
    "utilization-detector",
    "vllmgrpc-parser",
}
EXTENSION = EXTENSION_1_2 | EXTENSION_1_3 | EXTENSION_1_4 | EXTENSION_1_5
"""Of any version: those of a release's that are not llm-d's."""

# What llm-d adds to them: pkg/plugins/register.go at the tag, where it is to be had.
SCHEDULER_0_4 = frozenset(
    {
        "active-request-scorer",
        "by-label",
        "by-label-selector",
        "data-parallel-profile-handler",
        "decode-filter",
        "load-aware-scorer",
        "no-hit-lru-scorer",
        "pd-profile-handler",
        "precise-prefix-cache-scorer",
        "prefill-filter",
        "prefill-header-handler",
        "session-affinity-scorer",
    }
)
# Its precise scorer asks a process beside it for tokens, which nothing here starts.
SCHEDULER_0_7 = (SCHEDULER_0_4 - {"precise-prefix-cache-scorer"}) | {
    "always-disagg-pd-decider",
    "context-length-aware",
    "disagg-headers-handler",
    "disagg-profile-handler",
    "encode-filter",
    "prefix-based-pd-decider",
}

# The router merged both, and dropped the names that were deprecated.
ROUTER_0_9 = (
    (EXTENSION_1_5 | SCHEDULER_0_7) - {"by-label", "by-label-selector", "pd-profile-handler"}
) | {"precise-prefix-cache-producer", "token-producer"}
