"""Failure and saturation: what broke, and what is about to."""

from collections.abc import Iterator

from stack.plan import Metrics
from stack.proxy_metrics import ProxyMetrics
from telemetry.panels import SCOPE, SERVER_ERRORS, Board, Panel, Query, Unit, rate

PROXIES = 'namespace="$namespace",role="gateway"'


def _of_proxies(metrics: ProxyMetrics) -> Iterator[Panel]:
    yield Panel(
        title="Answers of the gateway",
        says="As clients get them, by status or its class: 2xx, 4xx, 5xx.",
        unit=Unit.REQUESTS,
        queries=(
            Query(
                rate(metrics.answers, by=metrics.by, scope=f"{PROXIES},{metrics.only}"),
                metrics.legend,
            ),
        ),
        needs=metrics.needs,
    )
    if metrics.retries:
        yield Panel(
            title="Tried again",
            says="Requests that the gateway sent to another pod after one had failed them.",
            unit=Unit.REQUESTS,
            queries=(
                Query(
                    rate(metrics.retries, by="envoy_cluster_name", scope=PROXIES),
                    "{{envoy_cluster_name}}",
                ),
            ),
        )


def board(metrics: Metrics) -> Board:
    return Board(
        name="failure",
        title="llm-d: failure and saturation",
        panels=(
            *(_of_proxies(metrics.proxies) if metrics.proxies else ()),
            Panel(
                title="Answers of model servers",
                says="By class; the endpoint picker does not count a server's own failures, 5xx.",
                unit=Unit.REQUESTS,
                queries=(
                    Query(
                        rate(SERVER_ERRORS, by="status", scope=f'{SCOPE},handler=~"/v1/.*"'),
                        "{{status}}",
                    ),
                ),
            ),
            Panel(
                title="Refused, by kind",
                says="As the endpoint picker names it; none where nothing was refused.",
                unit=Unit.REQUESTS,
                queries=(Query(rate(metrics.picker.errors, by="error_code"), "{{error_code}}"),),
                needs="a request that the endpoint picker refused",
            ),
            Panel(
                title="Answers by how they ended",
                says="`length` and `stop` are whole; `abort` is a client that went away.",
                unit=Unit.REQUESTS,
                queries=(
                    Query(
                        rate("vllm:request_success_total", by="finished_reason"),
                        "{{finished_reason}}",
                    ),
                ),
            ),
            Panel(
                title="Waiting",
                says="Requests in each pod's queue: a pod that has them while others have none.",
                unit=Unit.COUNT,
                queries=(
                    Query(
                        f"sum by (pod) (vllm:num_requests_waiting{{{SCOPE}}})",
                        "{{pod}}",
                    ),
                ),
            ),
            Panel(
                title="KV cache of each pod",
                says="At 100 % requests wait, or are begun again.",
                unit=Unit.SHARE,
                queries=(Query(f"max by (pod) (vllm:kv_cache_usage_perc{{{SCOPE}}})", "{{pod}}"),),
            ),
            Panel(
                title="Begun again",
                says="Requests whose cache was given to others: work that is done twice.",
                unit=Unit.REQUESTS,
                queries=(Query(rate("vllm:num_preemptions_total", by="pod"), "{{pod}}"),),
            ),
            Panel(
                title="Does not answer",
                says="Pods whose metrics cannot be read: still loading, hanging or gone.",
                unit=Unit.COUNT,
                queries=(
                    Query(
                        f"count by (role) (up{{{SCOPE}}}) - sum by (role) (up{{{SCOPE}}})",
                        "{{role}}",
                    ),
                ),
            ),
            Panel(
                title="Restarts",
                says="Of each pod's program within half an hour.",
                unit=Unit.COUNT,
                queries=(
                    Query(
                        f"max by (pod) (changes(process_start_time_seconds{{{SCOPE}}}[30m]))",
                        "{{pod}}",
                    ),
                ),
            ),
        ),
    )
