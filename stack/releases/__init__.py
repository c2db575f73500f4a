"""llm-d releases: one module each, holding one `RELEASE`: versions that are swapped as one."""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module

from stack.crd_bundles import CrdBundle
from stack.picker_metrics import PickerMetrics


@dataclass(frozen=True, kw_only=True)
class Server:
    """A model server's image on one hardware target, and what goes with its version."""

    image: str
    command: tuple[str, ...] = ("vllm", "serve")
    """Empty for an image whose own entrypoint is the server."""
    model_argument: tuple[str, ...] = ("{model}",)
    args: tuple[str, ...] = ()
    """Before the target's own."""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Over the target's own."""


@dataclass(frozen=True, kw_only=True)
class Release:
    servers: Mapping[str, Server]
    """By hardware target."""
    lacks: Mapping[str, str]
    """Hardware target -> why the release has no image for it, as the user should read it."""
    endpoint_picker: str
    """Image of the endpoint picker."""
    picker_args: tuple[str, ...] = ()
    """Of its endpoint picker alone."""
    envoy: str
    """Image of the Envoy that stands alone in front of a pool."""
    routing_proxy: str
    """Image of the proxy before a model server that has its prompts read elsewhere."""
    crds: Mapping[str, CrdBundle]
    serving_labels: Mapping[str, str]
    """On every model-server pod; pools select by them."""
    port_name: str
    """Of the model server's port; what the release's monitors scrape by."""
    pool_group: str
    """API group of InferencePool; the endpoint picker is told the same."""
    objectives_group: str
    """API group of InferenceObjective and InferenceModelRewrite, as `crds` has them."""
    picker_watches: Mapping[str, tuple[str, ...]]
    """API group -> what the endpoint picker watches there, beside its pool and pods."""
    picker_config_api: str
    """apiVersion of EndpointPickerConfig."""
    picker_metrics: PickerMetrics
    """What its endpoint picker calls its metrics."""
    plugins: frozenset[str]
    """Types that the endpoint picker knows."""
    prefix_plugin: str = "prefix-cache-scorer"
    """The one that takes parameters about how prompts' prefixes are compared."""
    memory_utilization: float = 0.9
    """Share of an accelerator's memory that its vLLM takes, where nothing else is said."""
    spans_nodes: bool = True
    """Whether its vLLM lays a replica out over machines by itself, as it does since 0.12."""
    reserves_graphs: bool = False
    """Whether its vLLM takes CUDA graphs off the cache, as it does since 0.21."""
    traces: bool = True
    """Whether its model servers send traces, which their images need a library for."""
    body_reader: str = "registry.k8s.io/gateway-api-inference-extension/bbr:v1.3.0"
    """Image of what reads which model a request asks for; it knows pools of every version."""
    gateways: Mapping[str, str]
    """Provider of Gateways -> version of its control plane, for those that stacks can install."""
    feature_gates: frozenset[str]
    """What the endpoint picker does only when told to."""


@cache
def releases() -> Mapping[str, Release]:
    """Every release, named after its module: `v0_5.py` is `v0.5`."""
    return {
        module.name.replace("_", "."): import_module(f"{__name__}.{module.name}").RELEASE
        for module in pkgutil.iter_modules(__path__)
    }
