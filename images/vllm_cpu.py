"""vLLM for CPUs, which llm-d publishes for amd64 alone.

The commit is the one that the guide for Minikube was written with, after 0.11.1. vLLM's own file is
called like llm-d's, so that a source may be llm-d's repository too, with the arguments
`VLLM_REPO` and `VLLM_COMMIT_SHA`.
"""

from images import Recipe, Source

PINNED = Source(commit="c5f10cc139ec87e217f2bb56a677dd57394729f5")
UNKNOWN = "no commit is known that was tried with it"

RECIPE = Recipe(
    stands_for="server",
    hardware=frozenset({"cpu", "cpu-arm64"}),
    repository="https://github.com/vllm-project/vllm",
    sources={"v0.4": PINNED, "v0.5": PINNED},
    lacks={"v0.6": UNKNOWN, "current": UNKNOWN},
    published=frozenset({"amd64"}),
    dockerfile="docker/Dockerfile.cpu",
    # More compilers at once than these take more memory than a laptop's virtual machine has.
    args={"max_jobs": "4"},
    seconds=3 * 3600,
)
