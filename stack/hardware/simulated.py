"""No accelerator and no model: a simulator that answers as vLLM does."""

from stack.hardware import Feature, Hardware

TARGET = Hardware(
    image="ghcr.io/llm-d/llm-d-inference-sim:{inference_sim}",
    command=(),
    model_argument=("--model", "{model}"),
    # What both the image and `simulator/` understand. The image's own defaults would be 5 sequences
    # of 1,024 tokens, and other answers at each start.
    args=("--max-num-seqs=1024", "--block-size=16", "--seed=0"),
    max_model_len=40_960,
    resource=None,
    requests={"cpu": "100m", "memory": "128Mi"},
    limits={"memory": "512Mi"},
    node={"cpu": "8", "memory": "16Gi", "ephemeral-storage": "500Gi"},
    startup_seconds=60,
    lacks={Feature.TENSOR_PARALLEL: "the simulator has no devices to split a model over"},
)
