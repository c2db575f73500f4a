"""For a person who serves models: what users see, and what will make it worse."""

from stack.plan import Metrics
from telemetry.panels import (
    SCOPE,
    SERVER_ERRORS,
    Board,
    Panel,
    Query,
    Unit,
    filled,
    quantiles,
    rate,
)


def board(metrics: Metrics) -> Board:
    picker = metrics.picker
    requests = rate(picker.requests, by="pool")
    refused = filled(rate(picker.errors, by="pool"), requests)
    failed = filled(rate(SERVER_ERRORS, by="pool", scope=f'{SCOPE},status="5xx"'), requests)
    return Board(
        name="overview",
        title="llm-d: overview",
        panels=(
            Panel(
                title="Requests",
                says="What arrives, by the name that was asked for.",
                unit=Unit.REQUESTS,
                queries=(Query(rate(picker.requests, by="model_name"), "{{model_name}}"),),
            ),
            Panel(
                title="Errors",
                says="Share of requests that the endpoint picker refused or a server failed.",
                unit=Unit.SHARE,
                queries=(
                    Query(
                        f"({refused} + {failed}) / {requests}",
                        "{{pool}}",
                    ),
                ),
            ),
            Panel(
                title="Time to first token",
                says="From a request's arrival at its model server; waiting there is part of it.",
                unit=Unit.SECONDS,
                queries=quantiles("vllm:time_to_first_token_seconds"),
            ),
            Panel(
                title="Inter-token latency",
                says="Between tokens of an answer: grows with what a replica does at once.",
                unit=Unit.SECONDS,
                queries=quantiles("vllm:inter_token_latency_seconds"),
            ),
            Panel(
                title="Tokens",
                says="Read and written a second, over all replicas.",
                unit=Unit.RATE,
                queries=(
                    Query(rate("vllm:prompt_tokens_total", by="pool"), "read {{pool}}"),
                    Query(
                        rate("vllm:generation_tokens_total", by="pool"),
                        "written {{pool}}",
                    ),
                ),
            ),
            Panel(
                title="Queue",
                says="Requests in work, and those that wait in a model server for their turn.",
                unit=Unit.COUNT,
                queries=(
                    Query(
                        f"sum by (pool) (vllm:num_requests_running{{{SCOPE}}})",
                        "running {{pool}}",
                    ),
                    Query(
                        f"sum by (pool) (vllm:num_requests_waiting{{{SCOPE}}})",
                        "waiting {{pool}}",
                    ),
                ),
            ),
            Panel(
                title="KV cache",
                says="In use; a replica at 100 % has requests wait, or begin again.",
                unit=Unit.SHARE,
                queries=(
                    Query(
                        f"max by (pool) (vllm:kv_cache_usage_perc{{{SCOPE}}})",
                        "fullest of {{pool}}",
                    ),
                    Query(
                        f"avg by (pool) (vllm:kv_cache_usage_perc{{{SCOPE}}})",
                        "mean of {{pool}}",
                    ),
                ),
            ),
            Panel(
                title="Prefix cache",
                says="Share of prompt tokens that were in a replica's cache already.",
                unit=Unit.SHARE,
                queries=(
                    Query(
                        f"{rate('vllm:prefix_cache_hits_total', by='pool')}"
                        f" / {rate('vllm:prefix_cache_queries_total', by='pool')}",
                        "{{pool}}",
                    ),
                ),
            ),
            Panel(
                title="Replicas ready",
                says="That the endpoint picker chooses among, and all that are there.",
                unit=Unit.COUNT,
                queries=(
                    Query(f"max by (pool) ({picker.ready}{{{SCOPE}}})", "ready {{pool}}"),
                    Query(
                        f'count by (pool) (up{{{SCOPE},role=~"decode|prefill"}})',
                        "there {{pool}}",
                    ),
                ),
            ),
            Panel(
                title="Spread",
                says="Tokens written by each pod: pods far apart get different requests or fail.",
                unit=Unit.RATE,
                queries=(Query(rate("vllm:generation_tokens_total", by="pod"), "{{pod}}"),),
            ),
        ),
    )
