"""The model server that answers without a model."""

from images import Recipe

UNKNOWN = "the commit of its tag is not known here"

RECIPE = Recipe(
    stands_for="server",
    hardware=frozenset({"simulated"}),
    repository="https://github.com/llm-d/llm-d-inference-sim",
    sources={},
    lacks=dict.fromkeys(("v0.4", "v0.5", "v0.6", "current"), UNKNOWN),
    published=frozenset({"amd64", "arm64"}),
    seconds=3600,
)
