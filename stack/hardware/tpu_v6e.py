"""Google's TPU v6e on GKE: machines with the eight chips of a 2x4 slice."""

from stack.hardware import Feature, Hardware

KIND, SLICE = "cloud.google.com/gke-tpu-accelerator", "cloud.google.com/gke-tpu-topology"

TARGET = Hardware(
    resource="google.com/tpu",
    whole_nodes=True,
    accelerator="tpu-v6e",
    requests={"cpu": "16", "memory": "64Gi"},
    limits={"cpu": "16", "memory": "64Gi"},
    shared_memory="16Gi",
    node={"cpu": "176", "memory": "1400Gi", "ephemeral-storage": "1Ti"},
    node_devices=8,
    node_labels={"kubernetes.io/arch": "amd64"},
    node_selector={KIND: "tpu-v6e-slice", SLICE: "2x4"},
    tolerates=("google.com/tpu",),
    # XLA compiles a program for every shape before the first request.
    startup_seconds=3600,
    lacks={
        Feature.QUANTIZATION: "vLLM on TPU takes weights as they were published",
        Feature.NODES: "a replica over several machines takes a slice of another topology",
        Feature.PREFILL: "vLLM on TPU has no NIXL, by which the KV cache is handed over",
    },
)
