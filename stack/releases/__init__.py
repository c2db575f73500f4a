"""llm-d releases: one module each, holding one `RELEASE`: versions that are swapped as one."""

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module


@dataclass(frozen=True, kw_only=True)
class CrdFile:
    path: str
    """Inside the bundle's module, and inside its repository at the tag."""
    sha256: str


@dataclass(frozen=True, kw_only=True)
class CrdBundle:
    """Custom resource definitions of one project at one version."""

    module: str
    """Go module that carries them, byte for byte as the repository does at the tag."""
    repository: str
    version: str
    annotation: str | None
    """Tells on a cluster which version is there; None where the project's own files do not."""
    files: tuple[CrdFile, ...]


@dataclass(frozen=True, kw_only=True)
class Release:
    versions: Mapping[str, str]
    """What hardware targets put into their images' tags."""
    endpoint_picker: str
    """Image of the endpoint picker."""
    envoy: str
    """Image of the Envoy that stands alone in front of a pool."""
    routing_proxy: str
    """Image of the proxy before a model server that has its prompts read elsewhere."""
    crds: Mapping[str, CrdBundle]
    serving_label: str
    """On every model-server pod."""
    pool_group: str
    """API group of InferencePool; the endpoint picker is told the same."""
    objectives_group: str
    """API group of InferenceObjective and InferenceModelRewrite."""
    picker_config_api: str
    """apiVersion of EndpointPickerConfig."""
    plugins: frozenset[str]
    """Types that the endpoint picker knows."""
    feature_gates: frozenset[str]
    """What the endpoint picker does only when told to."""


@cache
def releases() -> Mapping[str, Release]:
    """Every release, named after its module: `v0_5.py` is `v0.5`."""
    return {
        module.name.replace("_", "."): import_module(f"{__name__}.{module.name}").RELEASE
        for module in pkgutil.iter_modules(__path__)
    }
