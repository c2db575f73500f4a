"""Intel Gaudi, whose cards pods claim: Intel's resource driver has to be on the cluster."""

from stack.hardware import Feature, Hardware

TARGET = Hardware(
    args=("--block-size=128", "--max-num-seqs=256"),
    env={
        "DO_NOT_TRACK": "1",
        "HABANA_LOGS": "/tmp/habana_logs",  # noqa: S108 - a volume of the pod's own
        "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
        # Warming up takes longer than loading, for shapes that may never be asked for.
        "VLLM_SKIP_WARMUP": "true",
    },
    resource=None,
    claim="gaudi.intel.com",
    requests={"cpu": "8", "memory": "64Gi"},
    limits={"memory": "64Gi"},
    shared_memory="8Gi",
    node={"cpu": "150", "memory": "900Gi", "ephemeral-storage": "2Ti"},
    node_devices=8,
    node_labels={"kubernetes.io/arch": "amd64"},
    startup_seconds=2400,
    lacks={Feature.PREFILL: "its image has no NIXL, by which the KV cache is handed over"},
)
