"""No accelerator and no model: a simulator that answers as vLLM does."""

from stack.hardware import Feature, Hardware

TARGET = Hardware(
    image="ghcr.io/llm-d/llm-d-inference-sim:{inference_sim}",
    server="simulator",
    command=(),
    model_argument=("--model", "{model}"),
    resource=None,
    requests={"cpu": "100m", "memory": "128Mi"},
    limits={"memory": "512Mi"},
    node={"cpu": "8", "memory": "16Gi", "ephemeral-storage": "500Gi"},
    startup_seconds=60,
    lacks={
        Feature.TENSOR_PARALLEL: "the simulator has no devices to split a model over",
        Feature.DATA_PARALLEL: "the simulator has no devices for another copy",
        Feature.NODES: "the simulator has no devices to split a model over",
        Feature.CLAIM: "the simulator reads no model's files",
        Feature.KV_EVENTS: "the simulator has no KV cache to tell the endpoint picker of",
    },
)
