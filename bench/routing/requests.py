"""Prompts and their moments: the same seed makes the same, whatever they are sent to."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from bench.routing.parameters import CHARACTERS_PER_TOKEN, Stage, Workload


@dataclass(frozen=True, kw_only=True)
class Request:
    at: float
    """Seconds after the first of its kind may be sent."""
    stage: int
    group: int
    prompt: str


@dataclass(frozen=True, kw_only=True)
class Load:
    warm_up: Sequence[Request]
    measured: Sequence[Request]


def load(workload: Workload, seed: int) -> Load:
    random = Random(f"{workload.name} {seed}")  # noqa: S311 - to be repeated, not to be secret
    prefixes = [_text(random, workload.prefix_tokens) for _ in range(workload.groups)]

    def requests(moments: Iterable[tuple[float, int]]) -> list[Request]:
        return [
            Request(
                at=at,
                stage=stage,
                group=group,
                prompt=prefixes[group] + _text(random, workload.question_tokens),
            )
            for (at, stage), group in zip(moments, _shuffled(random, len(prefixes)), strict=False)
        ]

    return Load(
        warm_up=requests((index / workload.warm_up_rate, 0) for index in range(workload.groups)),
        measured=requests(_poisson(random, workload.stages)),
    )


def _poisson(random: Random, stages: Sequence[Stage]) -> Iterator[tuple[float, int]]:
    """Moments and the stage of each."""
    begins = 0.0
    for index, stage in enumerate(stages):
        at = begins
        while (at := at + random.expovariate(stage.rate)) < begins + stage.seconds:
            yield at, index
        begins += stage.seconds


def _shuffled(random: Random, groups: int) -> Iterator[int]:
    """Every group once, and again, without end, in another order each time: in a fixed one round
    robin would find the same replica again wherever replicas divide the groups.
    """
    while True:
        yield from random.sample(range(groups), groups)


def _text(random: Random, tokens: int) -> str:
    return random.randbytes(tokens * CHARACTERS_PER_TOKEN // 2).hex()
