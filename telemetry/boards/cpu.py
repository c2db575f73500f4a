"""CPU inference, where processor time and memory bandwidth are what runs out."""

from stack.plan import Metrics
from telemetry.panels import RATE, SCOPE, Board, Panel, Query, Unit, quantiles, rate

SERVERS = f'{SCOPE},role=~"decode|prefill"'


def board(metrics: Metrics) -> Board:
    picker = metrics.picker
    cores = f"rate(process_cpu_seconds_total{{{SERVERS}}}[{RATE}])"
    return Board(
        name="cpu",
        title="LLM-D CPU Performance Dashboard",
        panels=(
            Panel(
                title="Cores in use",
                says="Of each model server's program; its limit is in `resources`.",
                unit=Unit.COUNT,
                queries=(Query(cores, "{{pod}}"),),
            ),
            Panel(
                title="Tokens for a core-second",
                says="Written tokens: what a change of model, type or threads is worth.",
                unit=Unit.RATE,
                queries=(
                    Query(
                        f"{rate('vllm:generation_tokens_total', by='pod')}"
                        f" / sum by (pod) ({cores})",
                        "{{pod}}",
                    ),
                ),
            ),
            Panel(
                title="Memory",
                says="Resident: weights, KV cache and the server itself.",
                unit=Unit.BYTES,
                queries=(Query(f"process_resident_memory_bytes{{{SERVERS}}}", "{{pod}}"),),
            ),
            Panel(
                title="Time to first token",
                says="On processors it grows with the prompt's length above all.",
                unit=Unit.SECONDS,
                queries=quantiles("vllm:time_to_first_token_seconds"),
            ),
            Panel(
                title="Inter-token latency",
                says="Bound by memory: weights are read once for each step.",
                unit=Unit.SECONDS,
                queries=quantiles("vllm:inter_token_latency_seconds"),
            ),
            Panel(
                title="Prompt tokens of a request",
                says="Mean, as the endpoint picker counts them.",
                unit=Unit.COUNT,
                queries=(
                    Query(
                        f"{rate(f'{picker.input_tokens}_sum', by='model_name')}"
                        f" / {rate(f'{picker.input_tokens}_count', by='model_name')}",
                        "{{model_name}}",
                    ),
                ),
            ),
            Panel(
                title="At once",
                says="Requests in one batch: more share a step's read of the weights.",
                unit=Unit.COUNT,
                queries=(
                    Query(
                        f"sum by (pod) (vllm:num_requests_running{{{SCOPE}}})",
                        "{{pod}}",
                    ),
                ),
            ),
            Panel(
                title="Held back",
                says="Share of time in which a container may not run, since its limit is used up.",
                unit=Unit.SHARE,
                queries=(
                    Query(
                        "sum by (pod) (rate(container_cpu_cfs_throttled_periods_total"
                        f'{{namespace="$namespace",container="vllm"}}[{RATE}])) / '
                        "sum by (pod) (rate(container_cpu_cfs_periods_total"
                        f'{{namespace="$namespace",container="vllm"}}[{RATE}]))',
                        "{{pod}}",
                    ),
                ),
                needs="a real kubelet's cAdvisor",
            ),
        ),
    )
