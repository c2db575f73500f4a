"""llm-d v0.5, 2026-02-20."""

from stack.crd_bundles import GATEWAY_API_1_4, INFERENCE_EXTENSION_1_3
from stack.picker_plugins import EXTENSION_1_3, SCHEDULER_0_4
from stack.releases import Release, Server

CUDA = Server(image="ghcr.io/llm-d/llm-d-cuda:v0.5.0", args=("--disable-uvicorn-access-log",))
XPU = Server(image="ghcr.io/llm-d/llm-d-xpu:v0.5.0")

RELEASE = Release(
    servers={
        "cpu": Server(image="ghcr.io/llm-d/llm-d-cpu:v0.5.0"),
        "cpu-arm64": Server(
            # llm-d publishes its CPU image for amd64 alone; this one is built from its sources.
            image="quay.io/petecheslock/llm-d-cpu:v0.4.0-arm64",
            command=("python3", "-m", "vllm.entrypoints.openai.api_server"),
            model_argument=("--model", "{model}"),
        ),
        "cuda": CUDA,
        "cuda-gke": CUDA,
        "gaudi": Server(
            image="docker.io/opea/vllm-gaudi:1.22.0",
            command=(),
            model_argument=("--model", "{model}"),
        ),
        "simulated": Server(
            image="ghcr.io/llm-d/llm-d-inference-sim:v0.6.1",
            command=(),
            model_argument=("--model", "{model}"),
        ),
        "tpu7x": Server(
            # A build of one day, from one commit of each project: the tag does not move.
            image="docker.io/vllm/vllm-tpu:nightly-ironwood-20260113-8424c78-df7e127"
        ),
        "xpu": XPU,
        "xpu-dra": XPU,
    },
    lacks={
        "rocm": "llm-d's guide has an image for AMD since v0.6",
        "tpu-v6e": "its guide is for TPU7x; use release v0.6 or `current`",
    },
    # Not the guides' v0.5.0, whose inference extension 1.3.0 never starts to watch rewrites and
    # objectives: a model's alias reaches servers that do not know the name.
    endpoint_picker="ghcr.io/llm-d/llm-d-inference-scheduler:v0.5.1",
    routing_proxy="ghcr.io/llm-d/llm-d-routing-sidecar:v0.5.0",
    envoy="docker.io/envoyproxy/envoy:distroless-v1.38.3",
    crds={"gatewayApi": GATEWAY_API_1_4, "inferenceExtension": INFERENCE_EXTENSION_1_3},
    serving_labels={"llm-d.ai/inferenceServing": "true"},
    port_name="vllm",
    pool_group="inference.networking.k8s.io",
    objectives_group="inference.networking.x-k8s.io",
    picker_watches={
        "inference.networking.x-k8s.io": ("inferencemodelrewrites", "inferenceobjectives")
    },
    picker_config_api="inference.networking.x-k8s.io/v1alpha1",
    plugins=EXTENSION_1_3 | SCHEDULER_0_4,
    gateways={"agentgateway": "v2.2.0-beta.3", "istio": "1.28.1", "kgateway": "v2.1.1"},
    feature_gates=frozenset({"flowControl"}),
)
