"""The inference extension's endpoint picker, which is published for amd64 alone.

llm-d's own picker adds plugins to it and is published for arm64 too. The commits are those that
the Go module proxy recorded for the tags.
"""

from images import Patch, Recipe, Source

RECIPE = Recipe(
    stands_for="endpoint picker",
    repository="https://github.com/kubernetes-sigs/gateway-api-inference-extension",
    sources={
        "v0.4": Source(tag="v1.2.0", commit="52ed3abfd4aa2374cc0f4ab5abe94675eb35311c"),
        "v0.5": Source(tag="v1.3.1", commit="fea5e3db7dec78f5946538adede7db235f6b2791"),
        "v0.6": Source(tag="v1.4.0", commit="7813285134733710668bfe09231408b43493aa12"),
    },
    lacks={"current": "its picker is llm-d's router, whose configuration is another"},
    published=frozenset({"amd64", "arm64"}),
    # It is told the architecture as an argument and does not look at it.
    patches=(Patch(file="Dockerfile", find="ENV GOARCH=amd64", replace="ENV GOARCH={arch}"),),
    seconds=3600,
)
