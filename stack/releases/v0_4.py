"""llm-d v0.4, 2025-11-26: what the guides for laptops were written for.

Released versions stand where the guides had candidates: scheduler 0.4.0 and definitions 1.2.0.
"""

from stack import picker_metrics
from stack.crd_bundles import GATEWAY_API_1_3, INFERENCE_EXTENSION_1_2
from stack.picker_plugins import EXTENSION_1_2, SCHEDULER_0_4
from stack.releases import Release, Server

CUDA = Server(image="ghcr.io/llm-d/llm-d-cuda:v0.3.1", args=("--disable-uvicorn-access-log",))
NOT_IN_ITS_GUIDES = "its guides are for NVIDIA GPUs and Apple Silicon; use release v0.5 or later"

RELEASE = Release(
    servers={
        "cpu-arm64": Server(
            # llm-d publishes its CPU image for amd64 alone; this one is built from its sources.
            image="quay.io/petecheslock/llm-d-cpu:v0.4.0-arm64",
            command=("python3", "-m", "vllm.entrypoints.openai.api_server"),
            model_argument=("--model", "{model}"),
        ),
        "cuda": CUDA,
        "cuda-gke": CUDA,
        "simulated": Server(
            image="ghcr.io/llm-d/llm-d-inference-sim:v0.6.1",
            command=(),
            model_argument=("--model", "{model}"),
        ),
    },
    lacks=dict.fromkeys(
        ("cpu", "gaudi", "rocm", "tpu-v6e", "tpu7x", "xpu", "xpu-dra"), NOT_IN_ITS_GUIDES
    ),
    endpoint_picker="ghcr.io/llm-d/llm-d-inference-scheduler:v0.4.0",
    routing_proxy="ghcr.io/llm-d/llm-d-routing-sidecar:v0.4.0",
    # It asks for the name that the metric had before vLLM 0.10.
    picker_args=("--kv-cache-usage-percentage-metric=vllm:kv_cache_usage_perc",),
    envoy="docker.io/envoyproxy/envoy:distroless-v1.38.3",
    crds={"gatewayApi": GATEWAY_API_1_3, "inferenceExtension": INFERENCE_EXTENSION_1_2},
    serving_labels={"llm-d.ai/inferenceServing": "true"},
    port_name="metrics",
    pool_group="inference.networking.k8s.io",
    objectives_group="inference.networking.x-k8s.io",
    picker_watches={"inference.networking.x-k8s.io": ("inferenceobjectives",)},
    picker_config_api="inference.networking.x-k8s.io/v1alpha1",
    picker_metrics=picker_metrics.EXTENSION_1_2,
    plugins=EXTENSION_1_2 | SCHEDULER_0_4,
    gateways={
        # Its guide has a build of 1.28 from before its release, which is not to be had any more.
        "istio": "1.28.1",
        "kgateway": "v2.0.4",
    },
    feature_gates=frozenset({"flowControl"}),
    spans_nodes=False,
    traces=False,
)
