"""The components, in the order a request meets them."""

from components.cluster import Cluster
from components.entrance import entrance
from components.gateway_providers import GatewayProviders
from components.image_build import built
from components.inference_pool import InferencePool
from components.model_service import ModelService
from components.monitoring import Monitoring
from components.namespace import Namespace

__all__ = [
    "Cluster",
    "GatewayProviders",
    "InferencePool",
    "ModelService",
    "Monitoring",
    "Namespace",
    "built",
    "entrance",
]
