"""How long a step takes, and how much fits into the KV cache: constants with their sources."""

from dataclasses import dataclass

from simulator.engine import Batch


@dataclass(frozen=True, kw_only=True)
class Device:
    """Accelerators with a model on them; together they are one server."""

    step_seconds: float
    """Of a step, however small: reading every weight once."""
    sequence_seconds: float
    """More for each sequence that produces a token."""
    context_seconds: float
    """More for each token that such a sequence attends to."""
    prefill_tokens_per_second: float
    kv_cache_memory_bytes: int
    """Left for the KV cache, on each accelerator."""
    kv_token_bytes: int
    """Of one token's keys and values, on each accelerator."""
    max_model_len: int
    """What the model was made for."""

    def seconds(self, batch: Batch) -> float:
        return (
            self.step_seconds
            + batch.sequences * self.sequence_seconds
            + batch.context_tokens * self.context_seconds
            + batch.prefill_tokens / self.prefill_tokens_per_second
        )


GIB = 2**30

# The guide's published run: 8 replicas of two H100 each, prompts of 7 577 tokens of which 6 000 are
# shared, about 911 tokens out (llm-d a84898ff, guides/inference-scheduling/README.md, "Benchmarking
# Report" and the comparison below it). Little's law gives the sequences of one replica:
#   stage rate=10:  4.415 requests/s x 23.65 s / 8 = 13.1 running, 23.47 ms per output token
#   whole run:      7.091 requests/s x 81.81 s / 8 = 72.5 running, 79.24 ms per output token
# Less the share of prefill (1 577 tokens of each request at the speed below: 5.5 % and 8.8 %) that
# is 22.2 ms and 72.3 ms, a line of 11.2 ms + 0.84 ms per sequence. The second is mixed from stages,
# and what a sequence costs apart from its context is what the line leaves over: two points cannot
# tell the two apart, so the context's part follows from the bandwidth that 11.2 ms imply.
_STEP_SECONDS = 11.2e-3
_WEIGHT_BYTES = 61.02 * GIB
"""Qwen3-32B in bf16: 32.8e9 parameters from its config.json."""
_CONTEXT_TOKENS = 7577 + 911 / 2
"""That a sequence of that run attends to, on average."""
_KV_TOKEN_BYTES = 64 * 2 * 8 * 128 * 2
"""Qwen3-32B's config.json: layers, keys and values, KV heads, head size; two bytes each."""
_CONTEXT_SECONDS = _STEP_SECONDS * _KV_TOKEN_BYTES / _WEIGHT_BYTES
"""45 ns; the bandwidth is 5.9 TB/s of the 6.7 TB/s on two H100 SXM's data sheets."""

DEVICES = {
    "h100x2-qwen3-32b": Device(
        step_seconds=_STEP_SECONDS,
        sequence_seconds=0.84e-3 - _CONTEXT_TOKENS * _CONTEXT_SECONDS,
        context_seconds=_CONTEXT_SECONDS,
        # llm-d, guides/workload-autoscaling/keda-epp-token-aware/README.md: peakPrefillThroughput
        # of Qwen3-32B on H100 80 GB with tensor parallel 2.
        prefill_tokens_per_second=15_928,
        # 0.95 (the guide's --gpu-memory-utilization) of 79.19 GiB, less half the weights, 2.21 GiB
        # of activations and 2.10 GiB beside torch: measured start-ups of vLLM 0.19 on H100, in
        # llm-d-planner's data/configuration/vllm_memory_constants.json.
        kv_cache_memory_bytes=int((0.95 * 79.19 - 61.02 / 2 - 2.21 - 2.10) * GIB),
        kv_token_bytes=_KV_TOKEN_BYTES // 2,
        max_model_len=40_960,  # max_position_embeddings in Qwen3-32B's config.json
    ),
    # For tests: no machine is like it, but the terms are in proportion.
    "tiny": Device(
        step_seconds=1e-3,
        sequence_seconds=1e-5,
        context_seconds=1e-9,
        prefill_tokens_per_second=1_000_000,
        kv_cache_memory_bytes=16 * 2**20,
        kv_token_bytes=1024,
        max_model_len=4096,
    ),
}
