"""`pulumi-resource-kubernetes ENGINE`: serve until the engine goes away."""

from importlib.metadata import version

from plugins.engine import Engine
from plugins.kubernetes.provider import KubernetesProvider
from plugins.server import serve

serve(KubernetesProvider(Engine.from_argv()), version("pulumi-kubernetes"))
