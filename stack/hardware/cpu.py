"""x86 CPUs with AVX-512; without its bfloat16 or AMX, `dtype: float32` is what they compute in."""

from stack.hardware import Feature, Hardware

NO_FP8 = "CPUs have no fp8"

TARGET = Hardware(
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
    instructions=frozenset({"avx512f"}),
    bfloat16=frozenset({"amx_bf16", "avx512_bf16"}),
    # vLLM binds threads and memory to NUMA nodes, which takes both.
    pod_security="privileged",
    capabilities=("SYS_NICE",),
    seccomp="Unconfined",
    startup_seconds=1200,
    lacks={
        Feature.TENSOR_PARALLEL: "a CPU pod has no second device to split the model over",
        Feature.DATA_PARALLEL: "a CPU pod has no second device for another copy",
        Feature.NODES: "a CPU pod has no device that another node's could work with",
        Feature.PREFILL: "its image has no NIXL, by which the KV cache is handed over",
        Feature.KV_CACHE_DTYPE: NO_FP8,
        Feature.QUANTIZATION: NO_FP8,
    },
)
