"""The model servers' own view: their counters, and their caches emptied."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import urllib3
from prometheus_client.parser import text_string_to_metric_families

from bench.running import BenchError

SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Counters:
    """Since a server started."""

    requests: float
    prefix_queries: float
    """Tokens of prompts."""
    prefix_hits: float
    """Those of them that the cache had."""
    preemptions: float
    first_tokens: float
    first_token_seconds: float
    """From a request's arrival at its server, summed over requests."""
    steps: float
    lag: float
    """Seconds that the ends of steps were noticed late, the simulator's own measure of itself."""

    def __sub__(self, before: "Counters") -> "Counters":
        theirs = asdict(before)
        return Counters(**{name: value - theirs[name] for name, value in asdict(self).items()})


METRICS: Mapping[str, str] = {
    "requests": "vllm:request_success_total",
    "prefix_queries": "vllm:prefix_cache_queries_total",
    "prefix_hits": "vllm:prefix_cache_hits_total",
    "preemptions": "vllm:num_preemptions_total",
    "first_tokens": "vllm:time_to_first_token_seconds_count",
    "first_token_seconds": "vllm:time_to_first_token_seconds_sum",
    "steps": "simulator:step_lag_seconds_count",
    "lag": "simulator:step_lag_seconds_sum",
}


def counters(servers: Mapping[str, str]) -> dict[str, Counters]:
    """Pod -> what it has counted; `servers` are their URLs."""
    return {pod: parse(_ask("GET", f"{url}/metrics")) for pod, url in servers.items()}


def empty_caches(servers: Mapping[str, str]) -> None:
    """Forget every prefix; vLLM has that for development alone (VLLM_SERVER_DEV_MODE)."""
    for url in servers.values():
        _ask("POST", f"{url}/reset_prefix_cache")


def parse(text: str) -> Counters:
    """BenchError where a counter is missing: 0 would read as if nothing had happened."""
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    try:
        return Counters(**{name: sums[metric] for name, metric in METRICS.items()})
    except KeyError as missing:
        raise BenchError(f"the model servers' metrics lack {missing}") from None


def _ask(method: str, url: str) -> str:
    try:
        answer = urllib3.request(method, url, timeout=SECONDS, retries=3)
    except urllib3.exceptions.HTTPError as problem:
        raise BenchError(f"{method} {url}: {problem}") from None
    if answer.status != 200:  # noqa: PLR2004 - OK
        raise BenchError(f"{method} {url}: {answer.status} {answer.data[:200]!r}")
    return answer.data.decode()
