"""x86 CPUs with AVX-512."""

from stack.hardware import Feature, Hardware

TARGET = Hardware(
    image="ghcr.io/llm-d/llm-d-cpu:{llm_d}",
    args=("--disable-hybrid-kv-cache-manager",),
    env={"VLLM_CPU_NUM_OF_RESERVED_CPU": "1"},
    kv_cache="32Gi",
    resource=None,
    requests={"cpu": "64", "memory": "64Gi"},
    limits={"cpu": "64", "memory": "64Gi"},
    shared_memory="4Gi",
    node={"cpu": "128", "memory": "512Gi", "ephemeral-storage": "1Ti"},
    node_labels={"kubernetes.io/arch": "amd64"},
    node_selector={"kubernetes.io/arch": "amd64"},
    # vLLM binds threads and memory to NUMA nodes, which takes both.
    pod_security="privileged",
    capabilities=("SYS_NICE",),
    seccomp="Unconfined",
    startup_seconds=1800,
    lacks={
        Feature.TENSOR_PARALLEL: "a CPU pod has no second device to split the model over",
        Feature.DATA_PARALLEL: "a CPU pod has no second device for another copy",
        Feature.NODES: "a CPU pod has no device that another node's could work with",
        Feature.PREFILL: "its image has no NIXL, by which the KV cache is handed over",
    },
)
