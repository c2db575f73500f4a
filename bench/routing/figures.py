"""What is made of answers: percentiles, rates, shares, and what seeds have in common."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from bench.routing.client import Answer, Failure
from bench.routing.parameters import Stage
from bench.routing.servers import Counters


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of one stage, or of all; times in seconds."""

    sent: int
    errors: int
    requests_per_second: float
    output_tokens_per_second: float
    ttft_mean: float
    ttft_p50: float
    ttft_p90: float
    ttft_p99: float
    tpot_mean: float
    """Time per output token after the first."""
    late_p99: float
    """Sent after its moment: of the load generator, not of what is measured."""


@dataclass(frozen=True, kw_only=True)
class Servers:
    """Of all replicas, from their own counters."""

    hit_share: float
    """Of the prompts' tokens, those that a cache had."""
    requests: Mapping[str, float]
    """Replica -> requests that it answered."""
    busiest: float
    """Requests of the busiest replica by those of the average one: 1 is even."""
    preemptions: float
    ttft_mean: float
    """As servers see it: what Envoy, endpoint picker and a busy machine add is not in it."""
    step_lag: float
    """Seconds that a simulated step's end was noticed late, on average."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Of a figure over the seeds."""

    median: float
    low: float
    high: float


def of_stages(
    answers: Sequence[Answer | Failure], stages: Sequence[Stage]
) -> tuple[list[Figures], Figures]:
    """Figures of each stage, and of all; a request belongs to the stage that sent it."""
    begins = accumulate((stage.seconds for stage in stages[:-1]), initial=0.0)
    return [
        _figures([one for one in answers if one.stage == index], begin)
        for index, begin in enumerate(begins)
    ], _figures(answers, 0.0)


def _figures(sent: Sequence[Answer | Failure], begin: float) -> Figures:
    """Rates are those until the last answer, as inference-perf has them."""
    good = [one for one in sent if isinstance(one, Answer)]
    seconds = max((one.last for one in good), default=begin) - begin
    ttft = [one.first - one.sent for one in good]
    tpot = [(one.last - one.first) / (one.tokens - 1) for one in good if one.tokens > 1]
    return Figures(
        sent=len(sent),
        errors=len(sent) - len(good),
        requests_per_second=len(good) / seconds if good else 0.0,
        output_tokens_per_second=sum(one.tokens for one in good) / seconds if good else 0.0,
        ttft_mean=mean(ttft),
        ttft_p50=percentile(ttft, 50),
        ttft_p90=percentile(ttft, 90),
        ttft_p99=percentile(ttft, 99),
        tpot_mean=mean(tpot),
        late_p99=percentile([one.sent - one.planned for one in sent], 99),
    )


def of_servers(before: Mapping[str, Counters], after: Mapping[str, Counters]) -> Servers:
    """What the replicas counted between two looks at them."""
    took = {pod: after[pod] - counters for pod, counters in before.items()}
    requests = {pod: one.requests for pod, one in took.items()}
    asked = sum(one.prefix_queries for one in took.values())
    tokens = sum(one.first_tokens for one in took.values())
    steps = sum(one.steps for one in took.values())
    average = statistics.fmean(requests.values())
    return Servers(
        hit_share=sum(one.prefix_hits for one in took.values()) / asked if asked else math.nan,
        requests=requests,
        busiest=max(requests.values()) / average if average else math.nan,
        preemptions=sum(one.preemptions for one in took.values()),
        ttft_mean=sum(one.first_token_seconds for one in took.values()) / tokens
        if tokens
        else math.nan,
        step_lag=sum(one.lag for one in took.values()) / steps if steps else math.nan,
    )


def mean(values: Sequence[float]) -> float:
    """NaN of nothing."""
    return statistics.fmean(values) if values else math.nan


def percentile(values: Sequence[float], percent: float) -> float:
    """Interpolated between the two nearest, as numpy does; NaN of nothing."""
    if not values:
        return math.nan
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def spread(values: Sequence[float]) -> Spread:
    return Spread(median=statistics.median(values), low=min(values), high=max(values))


def change(values: Sequence[float], beside: Sequence[float]) -> Spread:
    """Relative change from `beside`, seed by seed: 0.1 is 10 % more.

    Seeds differ more than arms do, and every arm had the same seeds: only pairs tell.
    """
    return spread([one / other - 1 for one, other in zip(values, beside, strict=True)])
