"""Capacity and cost: how much of what is paid for is used, and what a token comes to."""

from stack.plan import Metrics
from telemetry.panels import RATE, SCOPE, Board, Panel, Query, Unit, rate

SERVING = f'count by (pool) (up{{{SCOPE},role=~"decode|prefill"}} == 1)'
A_SECOND = "$dollars / 3600"
"""Of one replica."""


def board(metrics: Metrics) -> Board:
    picker = metrics.picker
    written = rate("vllm:generation_tokens_total", by="pool")
    read = rate("vllm:prompt_tokens_total", by="pool")
    per_request = f"rate({picker.output_tokens}_sum{{{SCOPE}}}[{RATE}])"
    return Board(
        name="capacity",
        title="llm-d: capacity and cost",
        panels=(
            Panel(
                title="Dollars for a million tokens",
                says="Of replicas that serve, whether they have anything to do or not.",
                unit=Unit.DOLLARS,
                queries=(
                    Query(
                        f"1e6 * {SERVING} * {A_SECOND} / ({written} > 0)",
                        "written, {{pool}}",
                    ),
                    Query(
                        f"1e6 * {SERVING} * {A_SECOND} / ({written} + {read} > 0)",
                        "read or written, {{pool}}",
                    ),
                ),
            ),
            Panel(
                title="Dollars an hour",
                says="Of replicas that serve.",
                unit=Unit.DOLLARS,
                queries=(Query(f"{SERVING} * $dollars", "{{pool}}"),),
            ),
            Panel(
                title="Tokens written by a replica",
                says="Mean of the replicas: compare it with what the hardware does at its best.",
                unit=Unit.RATE,
                queries=(Query(f"{written} / {SERVING}", "{{pool}}"),),
            ),
            Panel(
                title="Requests at once",
                says="In work, for each replica.",
                unit=Unit.COUNT,
                queries=(
                    Query(
                        f"sum by (pool) (vllm:num_requests_running{{{SCOPE}}}) / {SERVING}",
                        "{{pool}}",
                    ),
                ),
            ),
            Panel(
                title="KV cache in use",
                says="Mean; what is left is room for more or longer requests.",
                unit=Unit.SHARE,
                queries=(
                    Query(
                        f"avg by (pool) (vllm:kv_cache_usage_perc{{{SCOPE}}})",
                        "{{pool}}",
                    ),
                ),
            ),
            Panel(
                title="Tokens of an answer",
                says="Mean, by the name that was asked for.",
                unit=Unit.COUNT,
                queries=(
                    Query(
                        f"sum by (model_name) ({per_request})"
                        f" / {rate(f'{picker.output_tokens}_count', by='model_name')}",
                        "{{model_name}}",
                    ),
                ),
            ),
            Panel(
                title="Accelerators in use",
                says="Share of time in which an accelerator did anything at all.",
                unit=Unit.SHARE,
                queries=(
                    Query(
                        'avg by (pod) (DCGM_FI_DEV_GPU_UTIL{namespace="$namespace"}) / 100',
                        "{{pod}}",
                    ),
                ),
                needs="a real GPU, and NVIDIA's DCGM exporter",
            ),
            Panel(
                title="Watts",
                says="Of the accelerators.",
                unit=Unit.COUNT,
                queries=(
                    Query(
                        'sum by (pod) (DCGM_FI_DEV_POWER_USAGE{namespace="$namespace"})',
                        "{{pod}}",
                    ),
                ),
                needs="a real GPU, and NVIDIA's DCGM exporter",
            ),
        ),
    )
