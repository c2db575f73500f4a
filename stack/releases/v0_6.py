"""llm-d v0.6, 2026-04-03, as the last of its guides that used Helm charts had it on 2026-04-22."""

from stack import picker_metrics
from stack.crd_bundles import GATEWAY_API_1_5, INFERENCE_EXTENSION_1_4
from stack.picker_plugins import EXTENSION_1_4, SCHEDULER_0_7
from stack.releases import Release, Server

CUDA = Server(image="ghcr.io/llm-d/llm-d-cuda:v0.6.0", args=("--disable-uvicorn-access-log",))
XPU = Server(image="ghcr.io/llm-d/llm-d-xpu:v0.6.0")

RELEASE = Release(
    servers={
        "cpu": Server(image="ghcr.io/llm-d/llm-d-cpu:v0.6.0"),
        "cuda": CUDA,
        "cuda-gke": CUDA,
        "gaudi": Server(image="ghcr.io/llm-d/llm-d-hpu:v0.6.0"),
        "rocm": Server(
            image="ghcr.io/llm-d/llm-d-rocm:v0.6.0", args=("--disable-uvicorn-access-log",)
        ),
        "simulated": Server(
            image="ghcr.io/llm-d/llm-d-inference-sim:v0.6.1",
            command=(),
            model_argument=("--model", "{model}"),
        ),
        "tpu-v6e": Server(image="docker.io/vllm/vllm-tpu:v0.11.1"),
        "xpu": XPU,
        "xpu-dra": XPU,
    },
    lacks={
        "cpu-arm64": "nobody publishes its CPU image for arm64; use release v0.5",
        "tpu7x": "its guide has placeholders for the model and for the account that reads it; "
        "use release v0.5 or `current`",
    },
    endpoint_picker="ghcr.io/llm-d/llm-d-inference-scheduler:v0.7.0",
    routing_proxy="ghcr.io/llm-d/llm-d-routing-sidecar:v0.7.0",
    envoy="docker.io/envoyproxy/envoy:distroless-v1.38.3",
    crds={"gatewayApi": GATEWAY_API_1_5, "inferenceExtension": INFERENCE_EXTENSION_1_4},
    serving_labels={
        "llm-d.ai/inference-serving": "true",
        "llm-d.ai/guide": "inference-scheduling",
    },
    port_name="vllm",
    pool_group="inference.networking.k8s.io",
    objectives_group="inference.networking.x-k8s.io",
    picker_watches={
        "inference.networking.x-k8s.io": ("inferencemodelrewrites", "inferenceobjectives")
    },
    picker_config_api="inference.networking.x-k8s.io/v1alpha1",
    picker_metrics=picker_metrics.EXTENSION_1_3,
    plugins=EXTENSION_1_4 | SCHEDULER_0_7,
    gateways={"agentgateway": "v1.0.0", "istio": "1.29.1"},
    feature_gates=frozenset({"flowControl"}),
)
