"""llm-d v0.5, 2026-02-20.

The endpoint picker of this release watches InferenceModelRewrite, which came with version 1.3 of
the inference extension's definitions: with 1.2 it crash-loops.
"""

from stack.releases import CrdBundle, CrdFile, Release

RELEASE = Release(
    versions={"llm_d": "v0.5.0", "inference_sim": "v0.6.1"},
    endpoint_picker="ghcr.io/llm-d/llm-d-inference-scheduler:v0.5.0",
    routing_proxy="ghcr.io/llm-d/llm-d-routing-sidecar:v0.5.0",
    envoy="docker.io/envoyproxy/envoy:distroless-v1.38.3",
    crds={
        "gatewayApi": CrdBundle(
            module="sigs.k8s.io/gateway-api",
            repository="kubernetes-sigs/gateway-api",
            version="v1.4.0",
            annotation="gateway.networking.k8s.io/bundle-version",
            files=tuple(
                CrdFile(
                    path=f"config/crd/standard/gateway.networking.k8s.io_{plural}.yaml",
                    sha256=sha256,
                )
                for plural, sha256 in {
                    "backendtlspolicies": "59d7cf1d99e1337e6d6a19c6306172d8f7ff2d9f920142a88ef9ba597d6d97bb",  # noqa: E501
                    "gatewayclasses": "2f61e8c8c2289843a61d7b1bba31f8a5a46dbf20a1c54359209d638d3bd899c9",  # noqa: E501
                    "gateways": "b0e29566bbe07fbe4ede55c2eff73865bd566f3063736ec9046224d7e20d6f88",
                    "grpcroutes": "dc114a794b2bf2565489c3182d4b173590ea01348f986daf42c7bc0505521d26",  # noqa: E501
                    "httproutes": "c2539410dec72b793ef840f484c19d13b48210074ec801b730e9fce2c5fc825c",  # noqa: E501
                    "referencegrants": "3a59dcc699c2d01b19f13233943597f69de25420495ab3d4af7de7997bd807cc",  # noqa: E501
                }.items()
            ),
        ),
        # Without InferencePool v1alpha2, its predecessor: where both are there, some gateways
        # take the old one and answer 503.
        "inferenceExtension": CrdBundle(
            module="sigs.k8s.io/gateway-api-inference-extension",
            repository="kubernetes-sigs/gateway-api-inference-extension",
            version="v1.3.0",
            annotation="inference.networking.k8s.io/bundle-version",
            files=tuple(
                CrdFile(path=f"config/crd/bases/inference.networking.{name}.yaml", sha256=sha256)
                for name, sha256 in {
                    "k8s.io_inferencepools": "c400827662b46cfc58ec62b8bc779906c878e316750c0b45cb0e82210d063370",  # noqa: E501
                    "x-k8s.io_inferencemodelrewrites": "a9347aac8f9b3a651f5fcf4e3c04f2c67dfb120f9cb7c1108af6a995301bbc5a",  # noqa: E501
                    "x-k8s.io_inferenceobjectives": "34f5bf93825a42c5c6c3ddf7d0119b77267755343d49b5e3c06699121f8876d2",  # noqa: E501
                    "x-k8s.io_inferencepoolimports": "8c3e275e21a000cb4ce5e0b8be2d20b11eb1d3767becc8de5efacdf5116bcb29",  # noqa: E501
                }.items()
            ),
        ),
    },
    serving_label="llm-d.ai/inferenceServing",
    pool_group="inference.networking.k8s.io",
    objectives_group="inference.networking.x-k8s.io",
    picker_config_api="inference.networking.x-k8s.io/v1alpha1",
    plugins=frozenset(
        # What the inference extension 1.3 registers,
        {
            "kv-cache-utilization-scorer",
            "lora-affinity-scorer",
            "max-score-picker",
            "metrics-data-source",
            "model-server-protocol-metrics",
            "predicted-latency-scorer",
            "prefix-cache-scorer",
            "queue-scorer",
            "random-picker",
            "running-requests-size-scorer",
            "single-profile-handler",
            "weighted-random-picker",
        }
        # and what llm-d's scheduler adds to it.
        | {
            "active-request-scorer",
            "by-label",
            "by-label-selector",
            "data-parallel-profile-handler",
            "decode-filter",
            "load-aware-scorer",
            "no-hit-lru-scorer",
            "pd-profile-handler",
            "precise-prefix-cache-scorer",
            "prefill-filter",
            "prefill-header-handler",
            "session-affinity-scorer",
        }
    ),
    feature_gates=frozenset({"flowControl"}),
)
