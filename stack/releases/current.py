"""The newest of each that is released and fits the others, 2026-08: router 0.9.0, vLLM 0.26.0.

llm-d's own guides of that time name images and charts that move. The router has known
InferenceObjective and InferenceModelRewrite under llm-d.ai since 0.9.0, and still knows them as
version 1.5 of the inference extension defines them; where a cluster has both, it takes llm-d.ai's.
"""

from dataclasses import replace

from stack import picker_metrics
from stack.crd_bundles import GATEWAY_API_1_5, INFERENCE_EXTENSION_1_5
from stack.picker_plugins import ROUTER_0_9
from stack.releases import Release, Server

QUIET = ("--disable-access-log-for-endpoints=/health,/metrics,/v1/models",)
CUDA = Server(image="docker.io/vllm/vllm-openai:v0.26.0", args=QUIET)
TPU = Server(image="docker.io/vllm/vllm-tpu:v0.26.0")
XPU = Server(image="ghcr.io/llm-d/llm-d-xpu:v0.9.0")
WATCHED = ("inferencemodelrewrites", "inferenceobjectives")

RELEASE = Release(
    servers={
        "cpu": Server(image="docker.io/vllm/vllm-openai-cpu:v0.26.0", args=QUIET),
        "cuda": CUDA,
        # GKE's plugins for NCCL are made for other versions of it than vLLM brings along.
        "cuda-gke": replace(CUDA, env={"NCCL_TUNER_PLUGIN": "none", "NCCL_NET_PLUGIN": ""}),
        "rocm": Server(image="docker.io/vllm/vllm-openai-rocm:v0.26.0", args=QUIET),
        "simulated": Server(
            image="ghcr.io/llm-d/llm-d-inference-sim:v0.9.2",
            command=(),
            model_argument=("--model", "{model}"),
        ),
        "tpu-v6e": TPU,
        "tpu7x": TPU,
        "xpu": XPU,
        "xpu-dra": XPU,
    },
    lacks={
        "cpu-arm64": "no image of it is known for arm64; use release v0.5",
        "gaudi": "llm-d's guides have none for Gaudi since v0.6; use that release",
    },
    endpoint_picker="ghcr.io/llm-d/llm-d-router-endpoint-picker:v0.9.0",
    routing_proxy="ghcr.io/llm-d/llm-d-router-disagg-sidecar:v0.9.0",
    envoy="docker.io/envoyproxy/envoy:distroless-v1.38.3",
    crds={"gatewayApi": GATEWAY_API_1_5, "inferenceExtension": INFERENCE_EXTENSION_1_5},
    serving_labels={"llm-d.ai/guide": "optimized-baseline"},
    port_name="modelserver",
    pool_group="inference.networking.k8s.io",
    objectives_group="inference.networking.x-k8s.io",
    picker_watches={"inference.networking.x-k8s.io": WATCHED, "llm-d.ai": WATCHED},
    picker_config_api="llm-d.ai/v1alpha1",
    picker_metrics=picker_metrics.ROUTER,
    plugins=ROUTER_0_9,
    gateways={"agentgateway": "v1.1.0", "envoy-ai-gateway": "v0.7.0", "istio": "1.29.2"},
    feature_gates=frozenset({"flowControl"}),
    prefix_plugin="approx-prefix-cache-producer",
    memory_utilization=0.92,
    reserves_graphs=True,
)
