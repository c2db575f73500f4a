"""Combinations of a stack's words that are known not to work, as data."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from stack import config
from stack.problems import wrong


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Holds where every set that is given has the stack's word."""

    provider: AbstractSet[str]
    """Of the gateway."""
    releases: AbstractSet[str] | None = None
    hardware: AbstractSet[str] | None = None
    why: str
    instead: str

    def refuses(self, stack: config.Stack) -> str | None:
        """The problem as the user reads it, where there is one."""
        asked = ((self.releases, stack.release), (self.hardware, stack.hardware))
        if stack.gateway.provider not in self.provider or not all(
            words is None or word in words for words, word in asked
        ):
            return None
        beside = " and ".join(f"`{word}`" for words, word in asked if words is not None)
        return wrong(
            "gateway.provider", stack.gateway.provider, f"{self.instead} with {beside}: {self.why}"
        )


REFUSALS = (
    Refusal(
        provider={"kgateway"},
        releases={"v0.6", "current"},
        why="kgateway gave up InferencePool with 2.3, and what these releases were tried with is "
        "what came after it",
        instead="`agentgateway`",
    ),
    Refusal(
        provider={"kgateway"},
        releases={"v0.4"},
        why="the version that the release was tried with, 2.0.4, reads pools of v1alpha2 alone; "
        "release v0.5 has one that reads v1",
        instead="`standalone` or `istio`",
    ),
    Refusal(
        provider={"kgateway"},
        hardware={"cpu-arm64"},
        why="its proxy's image says arm64 and has a program for amd64",
        instead="`standalone`, `istio` or `agentgateway`",
    ),
)
