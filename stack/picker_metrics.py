"""What endpoint pickers call their metrics, by where they come from."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class PickerMetrics:
    """Names; a histogram's without `_bucket`, `_sum` and `_count`."""

    requests: str
    errors: str
    """Of requests that were refused, and of those that a model server failed."""
    input_tokens: str
    output_tokens: str
    ready: str
    """Endpoints whose metrics are fresh: those it picks among."""
    queue: str
    """Of the pool, as the picker sees it: mean of requests that wait in a model server."""
    kv_cache: str
    scheduling: str
    """Seconds that a choice takes."""
    attempts: str | None
    """Choices by `status`, as pickers count them since 1.3."""
    plugins: str
    prefix_hits: str
    prefix_size: str
    flow_queue: str
    """Requests that flow control has wait."""


def _named(*, objective: str, pool: str, extension: str) -> PickerMetrics:
    return PickerMetrics(
        requests=f"{objective}_request_total",
        errors=f"{objective}_request_error_total",
        input_tokens=f"{objective}_input_tokens",
        output_tokens=f"{objective}_output_tokens",
        ready=f"{pool}_ready_pods",
        queue=f"{pool}_average_queue_size",
        kv_cache=f"{pool}_average_kv_cache_utilization",
        scheduling=f"{extension}_scheduler_e2e_duration_seconds",
        attempts=f"{extension}_scheduler_attempts_total",
        plugins=f"{extension}_plugin_duration_seconds",
        prefix_hits=f"{extension}_prefix_indexer_hit_ratio",
        prefix_size=f"{extension}_prefix_indexer_size",
        flow_queue=f"{extension}_flow_control_queue_size",
    )


EXTENSION_1_3 = _named(
    objective="inference_objective", pool="inference_pool", extension="inference_extension"
)
EXTENSION_1_2 = replace(EXTENSION_1_3, attempts=None)
BUILT_HERE = EXTENSION_1_3
"""Of the picker that the embedded cluster runs, whatever the release's image has."""
ROUTER = replace(
    _named(objective="llm_d_epp", pool="llm_d_epp", extension="llm_d_epp"),
    ready="llm_d_epp_ready_endpoints",
    input_tokens="llm_d_epp_request_input_tokens",
    output_tokens="llm_d_epp_request_output_tokens",
)
"""llm-d's router has its own; those of the inference extension are deprecated there."""
