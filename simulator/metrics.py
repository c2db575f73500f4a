"""What vLLM tells Prometheus, under its names, buckets and labels.

The endpoint picker reads it twenty times a second from every server, and prometheus-client takes
2 ms to write what this takes 0.1 ms for: a line's beginning never changes, so it is kept.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_FIRST_TOKEN = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5),
    *(10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
_PER_TOKEN = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5),
    *(10.0, 20.0, 40.0, 80.0),
)
_PER_REQUEST = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0),
    *(120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0),
)
_LAG = (0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0)
"""Seconds; ours."""


def _header(name: str, kind: str, text: str) -> str:
    return f"# HELP {name} {text}\n# TYPE {name} {kind}"


def _labelled(labels: Mapping[str, str]) -> str:
    escaped = (
        (key, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
        for key, value in labels.items()
    )
    return ",".join(f'{key}="{value}"' for key, value in escaped)


def _process(process: "Process") -> Iterator[str]:
    for name, kind, text, value in (
        ("start_time_seconds", "gauge", "Start time of the process.", process.started),
        ("cpu_seconds_total", "counter", "User and system CPU time spent.", process.cpu_seconds),
        ("resident_memory_bytes", "gauge", "Resident memory size.", process.resident_bytes),
    ):
        yield _header(f"process_{name}", kind, text)
        yield f"process_{name} {value}"


class Histogram:
    def __init__(
        self, name: str, text: str, bounds: tuple[float, ...], labels: Mapping[str, str]
    ) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        own = _labelled(labels)
        ends = (*map(str, bounds), "+Inf")
        self._header = _header(name, "histogram", text)
        self._prefixes = [f'{name}_bucket{{{own},le="{end}"}} ' for end in ends]
        self._count, self._total = f"{name}_count{{{own}}} ", f"{name}_sum{{{own}}} "

    def observe(self, value: float, times: int = 1) -> None:
        self._counts[bisect_left(self._bounds, value)] += times
        self._sum += value * times

    def lines(self) -> Iterator[str]:
        yield self._header
        so_far = 0
        for prefix, count in zip(self._prefixes, self._counts, strict=True):
            so_far += count
            yield f"{prefix}{so_far}"
        yield f"{self._count}{so_far}"
        yield f"{self._total}{self._sum!r}"


@dataclass(frozen=True, kw_only=True)
class Now:
    """What is read off the engine when somebody asks."""

    running: int
    waiting: int
    usage: float
    queries: int
    hits: int
    preemptions: int


@dataclass(frozen=True, kw_only=True)
class Process:
    """What Python's own Prometheus client tells of the program that it runs in."""

    started: float
    """Seconds since 1970."""
    cpu_seconds: float
    resident_bytes: int


class Metrics:
    def __init__(self, *, model: str, block_size: int, blocks: int, caching: bool) -> None:
        self.prompt_tokens = 0
        self.generation_tokens = 0
        self.finished: dict[str, int] = dict.fromkeys(("stop", "length", "abort"), 0)
        self.answers: Counter[tuple[str, str, str]] = Counter()
        """By path, method and class of the status, `5xx`."""
        labels = {"engine": "0", "model_name": model}
        self.first_token = Histogram(
            "vllm:time_to_first_token_seconds",
            "Histogram of time to first token in seconds.",
            _FIRST_TOKEN,
            labels,
        )
        self.inter_token = Histogram(
            "vllm:inter_token_latency_seconds",
            "Histogram of inter-token latency in seconds.",
            _PER_TOKEN,
            labels,
        )
        self.per_token = Histogram(
            "vllm:request_time_per_output_token_seconds",
            "Histogram of time_per_output_token_seconds per request.",
            _PER_TOKEN,
            labels,
        )
        self.request = Histogram(
            "vllm:e2e_request_latency_seconds",
            "Histogram of e2e request latency in seconds.",
            _PER_REQUEST,
            labels,
        )
        self.lag = Histogram(
            "simulator:step_lag_seconds",
            "How late a step's end was noticed; the simulated device does not wait for it.",
            _LAG,
            labels,
        )
        self._own = _labelled(labels)
        info = {
            "block_size": str(block_size),
            "enable_prefix_caching": str(caching),
            "engine": "0",
            "num_gpu_blocks": str(blocks),
        }
        name = "vllm:cache_config_info"
        self._info = (
            _header(name, "gauge", "Information of the LLMEngine CacheConfig"),
            f"{name}{{{_labelled(info)}}} 1.0",
        )

    def text(self, now: Now, process: Process) -> str:
        """The exposition format, version 0.0.4."""
        return "\n".join((*self._lines(now), *_process(process), ""))

    def _lines(self, now: Now) -> Iterator[str]:
        for name, text, value in (
            ("num_requests_running", "Number of requests in model execution batches.", now.running),
            ("num_requests_waiting", "Number of requests waiting to be processed.", now.waiting),
            ("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", now.usage),
        ):
            yield from self._single(f"vllm:{name}", "gauge", text, value)
        yield from self._info
        for name, text, value in (
            ("prefix_cache_queries", "Prefix cache queries, in queried tokens.", now.queries),
            ("prefix_cache_hits", "Prefix cache hits, in cached tokens.", now.hits),
            ("num_preemptions", "Cumulative number of preemption.", now.preemptions),
            ("prompt_tokens", "Number of prefill tokens processed.", self.prompt_tokens),
            ("generation_tokens", "Number of generation tokens.", self.generation_tokens),
        ):
            yield from self._single(f"vllm:{name}_total", "counter", text, value)
        name = "vllm:request_success_total"
        yield _header(name, "counter", "Count of successfully processed requests.")
        for reason, count in self.finished.items():
            yield f'{name}{{{self._own},finished_reason="{reason}"}} {count}'
        name = "http_requests_total"
        yield _header(name, "counter", "Total number of requests by method, status and handler.")
        for (path, method, status), count in self.answers.items():
            labels = _labelled({"handler": path, "method": method, "status": status})
            yield f"{name}{{{labels}}} {count}"
        histograms = (self.first_token, self.inter_token, self.per_token, self.request, self.lag)
        for histogram in histograms:
            yield from histogram.lines()

    def _single(self, name: str, kind: str, text: str, value: float) -> Iterable[str]:
        return _header(name, kind, text), f"{name}{{{self._own}}} {value}"
