"""The endpoint picker: what it sees of its pool, how it decides, how long that takes."""

from stack.plan import Metrics
from telemetry.panels import RATE, SCOPE, Board, Panel, Query, Unit, quantiles, rate

PICKER = f'{SCOPE},role="endpoint-picker"'


def _attempts(counter: str | None) -> tuple[Panel, ...]:
    if not counter:
        return ()
    return (
        Panel(
            title="Choices",
            says="By how they ended; a failure is a request without a pod to send it to.",
            unit=Unit.REQUESTS,
            queries=(Query(rate(counter, by="status"), "{{status}}"),),
        ),
    )


def board(metrics: Metrics) -> Board:
    picker = metrics.picker
    return Board(
        name="routing",
        title="llm-d: endpoint picker",
        panels=(
            Panel(
                title="Pool",
                says="Endpoints that it chooses among; it grows and shrinks with the pods.",
                unit=Unit.COUNT,
                queries=(Query(f"max by (pool) ({picker.ready}{{{SCOPE}}})", "{{pool}}"),),
            ),
            *_attempts(picker.attempts),
            Panel(
                title="Time to choose",
                says="That a choice adds to a request.",
                unit=Unit.SECONDS,
                queries=quantiles(picker.scheduling),
            ),
            Panel(
                title="Time of each plugin",
                says="99th percentile, by plugin: which one makes choices slow.",
                unit=Unit.SECONDS,
                queries=(
                    Query(
                        "histogram_quantile(0.99, sum by (le,plugin_type,extension_point) "
                        f"(rate({picker.plugins}_bucket{{{SCOPE}}}[{RATE}])))",
                        "{{plugin_type}} {{extension_point}}",
                    ),
                ),
            ),
            Panel(
                title="Where requests went",
                says="Requests that each pod has answered, a second.",
                unit=Unit.REQUESTS,
                queries=(Query(rate("vllm:request_success_total", by="pod"), "{{pod}}"),),
            ),
            Panel(
                title="Prefixes it knew",
                says="Mean share of a prompt that it believes some pod to have cached.",
                unit=Unit.SHARE,
                queries=(
                    Query(
                        f"{rate(f'{picker.prefix_hits}_sum', by='pool')}"
                        f" / {rate(f'{picker.prefix_hits}_count', by='pool')}",
                        "{{pool}}",
                    ),
                ),
                needs="a scheduler that scores prefixes, as `default` does",
            ),
            Panel(
                title="Prefixes it has in mind",
                says="Entries of its index; each takes memory of the endpoint picker.",
                unit=Unit.COUNT,
                queries=(Query(f"max by (pool) ({picker.prefix_size}{{{SCOPE}}})", "{{pool}}"),),
                needs="a scheduler that scores prefixes, as `default` does",
            ),
            Panel(
                title="What it sees of the pods",
                says="Mean of the requests that wait in a model server.",
                unit=Unit.COUNT,
                queries=(Query(f"max by (pool) ({picker.queue}{{{SCOPE}}})", "{{pool}}"),),
            ),
            Panel(
                title="KV cache that it sees",
                says="Mean over the pods; compare it with what the pods say themselves.",
                unit=Unit.SHARE,
                queries=(Query(f"max by (pool) ({picker.kv_cache}{{{SCOPE}}})", "{{pool}}"),),
            ),
            Panel(
                title="Flow control",
                says="Requests that it has wait, by priority.",
                unit=Unit.COUNT,
                queries=(
                    Query(
                        f"sum by (priority) ({picker.flow_queue}{{{SCOPE}}})",
                        "priority {{priority}}",
                    ),
                ),
                needs="`scheduler.flowControl`",
            ),
            Panel(
                title="Its memory",
                says="Resident; beyond its limit it is killed, and forgets where prefixes are.",
                unit=Unit.BYTES,
                queries=(Query(f"process_resident_memory_bytes{{{PICKER}}}", "{{pod}}"),),
            ),
            Panel(
                title="Its processor time",
                says="Cores in use.",
                unit=Unit.COUNT,
                queries=(
                    Query(
                        f"rate(process_cpu_seconds_total{{{PICKER}}}[{RATE}])",
                        "{{pod}}",
                    ),
                ),
            ),
        ),
    )
