"""The proxy before a model server that has its prompts read elsewhere.

Since llm-d v0.4 it comes from the scheduler's repository. The commits are those that the Go module
proxy recorded for the tags; of v0.5.0 it has none.
"""

from images import Recipe, Source

UNKNOWN = "the commit of its tag is not known here"

RECIPE = Recipe(
    stands_for="routing proxy",
    repository="https://github.com/llm-d/llm-d-inference-scheduler",
    sources={
        "v0.4": Source(tag="v0.4.0", commit="86f5af75c31b7b6e4dbc8a2d1ed96fcf7c12d299"),
        "v0.5": Source(tag="v0.5.1", commit="2090736c0d1eccb82d9f81053103d426320999cf"),
    },
    lacks={"v0.6": UNKNOWN, "current": UNKNOWN},
    published=frozenset({"amd64", "arm64"}),
    dockerfile="Dockerfile.sidecar",
    seconds=3600,
)
