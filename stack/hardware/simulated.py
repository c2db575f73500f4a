"""No accelerator and no model: a simulator that answers as vLLM does."""

from stack.hardware import Feature, Hardware

NO_MEMORY = "the simulator takes no argument about the KV cache's memory"

TARGET = Hardware(
    server="simulator",
    # What both the image and `simulator/` understand. The image's own defaults would be 5 sequences
    # of 1,024 tokens, and other answers at each start.
    args=("--max-num-seqs=1024", "--block-size=16", "--seed=0"),
    max_model_len=40_960,
    resource=None,
    requests={"cpu": "100m", "memory": "128Mi"},
    limits={"memory": "512Mi"},
    node={"cpu": "8", "memory": "16Gi", "ephemeral-storage": "500Gi"},
    startup_seconds=60,
    lacks={
        Feature.TENSOR_PARALLEL: "the simulator has no devices to split a model over",
        Feature.DTYPE: "the simulator has no weights",
        Feature.KV_CACHE: NO_MEMORY,
        Feature.KV_CACHE_DTYPE: NO_MEMORY,
        Feature.QUANTIZATION: "the simulator has no weights",
        Feature.DATA_PARALLEL: "the simulator has no devices for another copy",
        Feature.NODES: "the simulator has no devices to split a model over",
        Feature.CLAIM: "the simulator reads no model's files",
        Feature.KV_EVENTS: "the simulator has no KV cache to tell the endpoint picker of",
    },
)
