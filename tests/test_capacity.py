"""Whether a model fits: against measured start-ups, worked examples, and known miscalculations."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.capacity import DEVICES, Cache, Fit, Settings, Shape, cpu, explain, fit, longest, models
from stack.problems import wrong

GIB = 2**30
H100 = DEVICES["h100-80gb"]
LLAMA_8B = "meta-llama/Llama-3.1-8B-Instruct"
LLAMA_70B = "meta-llama/Llama-3.3-70B-Instruct"
KIMI_VL = "moonshotai/Kimi-VL-A3B-Instruct"
QWEN_30B = "Qwen/Qwen3-30B-A3B"

with Path(__file__).with_name("vllm_startups.csv").open() as _lines:
    STARTUPS = [*csv.DictReader(line for line in _lines if not line.startswith("#"))]


def of(model: str, device: str = "h100-80gb", **settings: Any) -> Fit:
    return fit(models()[model], DEVICES[device], Settings(**settings))


def started(row: Mapping[str, str]) -> Fit:
    return of(
        row["model"],
        tensor_parallel=int(row["tensor_parallel"]),
        pipeline_parallel=int(row["pipeline_parallel"]),
        kv_cache_dtype=row["kv_cache_dtype"],
        max_model_len=8192,
        gpu_memory_utilization=0.95,
        reserves_graphs=False,
    )


def off(value: float, measured: str) -> float:
    return abs(value / float(measured) - 1)


# Measured


def test_measured_starts_have_the_kv_tokens_that_are_computed() -> None:
    errors = [off(started(row).kv_tokens, row["kv_tokens"]) for row in STARTUPS]

    assert len(errors) == 25
    assert mean(errors) < 0.005
    assert max(errors) < 0.02


@pytest.mark.parametrize("row", STARTUPS, ids=lambda row: row["model"])
def test_a_measured_cache_holds_as_many_tokens_as_are_computed(row: Mapping[str, str]) -> None:
    tokens = float(row["kv_gib"]) * GIB / started(row).token

    assert off(tokens, row["kv_tokens"]) < (0.015 if row["pipeline_parallel"] == "2" else 0.0005)


@pytest.mark.parametrize("row", STARTUPS, ids=lambda row: row["model"])
def test_measured_starts_load_the_weights_and_hold_the_requests_that_are_computed(
    row: Mapping[str, str],
) -> None:
    one = started(row)

    assert one.verdict == "starts"
    assert one.weights / GIB == pytest.approx(float(row["weights_gib"]), abs=0.16)
    assert off(one.concurrency, row["concurrency"]) < 0.02


# Worked: the fewest accelerators that hold a request of 8192 tokens, and thousands of KV tokens.

SMALLEST: Mapping[str, tuple[tuple[int, str | None] | None, ...]] = {
    LLAMA_8B: ((1, "17"), (1, "448"), (1, "899")),
    "Qwen/Qwen3-8B": ((1, "10.9"), (1, "394"), (1, "795")),
    QWEN_30B: ((4, "10.6"), (1, "131"), (1, "732")),
    "Qwen/Qwen3-32B": ((8, None), (1, "34"), (1, "260")),
    LLAMA_70B: ((16, None), (2, "14"), (2, "375")),
    "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic": ((8, None), (2, "222"), (1, "186")),
    "openai/gpt-oss-120b": ((8, None), (1, "115"), (1, "917")),
    "Qwen/Qwen3-235B-A22B": (None, (8, "275"), (4, "282")),
    "deepseek-ai/DeepSeek-R1": (None, (16, "415"), (8, "644")),
}


@pytest.mark.parametrize("column", range(3), ids=["l4", "h100-80gb", "h200"])
@pytest.mark.parametrize("model", SMALLEST)
def test_the_smallest_fit_is_the_one_worked_out_by_hand(model: str, column: int) -> None:
    device = ("l4", "h100-80gb", "h200")[column]
    tried = [
        of(model, device, tensor_parallel=ranks, max_model_len=8192) for ranks in (1, 2, 4, 8, 16)
    ]
    fits = next((one for one in tried if not one.problem), None)

    if not (expected := SMALLEST[model][column]):
        assert fits is None
        return
    ranks, thousands = expected
    assert fits
    assert fits.settings.tensor_parallel == ranks
    if thousands:
        digit = 10 ** -len(thousands.partition(".")[2])
        assert fits.kv_tokens / 1000 == pytest.approx(float(thousands), abs=digit)


@pytest.mark.parametrize(
    ("model", "billions", "gib", "kib"),
    [
        ("Qwen/Qwen3-0.6B", 0.596, 1.11, 112),
        (LLAMA_8B, 8.03, 14.96, 128),
        ("microsoft/phi-4", 14.66, 27.31, 200),
        ("openai/gpt-oss-20b", 20.9, 13.64, 48),
        (QWEN_30B, 30.53, 56.87, 96),
        ("Qwen/Qwen3-32B", 32.76, 61.02, 256),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", 46.7, 86.99, 128),
        ("openai/gpt-oss-120b", 116.8, 60.8, 72),
        ("Qwen/Qwen3-235B-A22B", 235.1, 437.9, 188),
        ("meta-llama/Llama-3.1-405B-Instruct", 405.9, 756.0, 504),
        ("deepseek-ai/DeepSeek-R1", 671.0, 641.3, 68.6),
        ("moonshotai/Kimi-K2-Instruct", 1026.4, 958.3, 68.6),
    ],
)
def test_a_known_model_has_the_size_that_is_published(
    model: str, billions: float, gib: float, kib: float
) -> None:
    shape = models()[model]

    assert shape.parameters / 1e9 == pytest.approx(billions, rel=0.002)
    assert sum(shape.weights(2)) / GIB == pytest.approx(gib, abs=0.06)
    assert of(model).token / 1024 == pytest.approx(kib, rel=0.001)


def test_parameters_are_counted_to_the_last_one() -> None:
    assert models()[LLAMA_70B].parameters == 70_553_706_496


# Miscalculations of existing tools


def test_mla_is_known_by_its_latent_and_not_by_its_class() -> None:
    shape = Shape.from_config({**CONFIG, "architectures": ["New"], **LATENT})

    assert shape.caches == (Cache(layers=32, heads=1, width=576),)


def test_every_accelerator_has_its_own_activation() -> None:
    whole, split = of(LLAMA_8B), of(LLAMA_8B, tensor_parallel=4)

    assert split.activation == whole.activation
    assert 4 * split.left == pytest.approx(
        4 * (split.budget - (split.activation or 0) - (split.non_torch or 0) - GIB) - whole.weights
    )


@pytest.mark.parametrize(
    ("model", "ranks", "share"),
    [
        (LLAMA_8B, 4, 4),
        (LLAMA_8B, 16, 8),  # 8 KV heads, each on two ranks
        (QWEN_30B, 8, 4),
        (KIMI_VL, 2, 1),  # a latent, whole on every rank
        ("deepseek-ai/DeepSeek-R1", 16, 1),
    ],
)
def test_cache_is_split_over_no_more_ranks_than_there_are_kv_heads(
    model: str, ranks: int, share: int
) -> None:
    assert of(model, tensor_parallel=ranks).token == of(model).token / share


def test_memory_is_what_the_server_finds_and_dtypes_are_looked_at() -> None:
    base = of(LLAMA_8B)

    assert base.budget == pytest.approx(0.92 * 79.19 * GIB)
    assert of(LLAMA_8B, kv_cache_dtype="fp8").token == base.token / 2
    assert of(LLAMA_8B, kv_cache_dtype="nvfp4").token == base.token * 9 / 32
    assert of(LLAMA_8B, dtype="float32").token == base.token * 2
    assert of(LLAMA_8B, dtype="float32").weights == base.weights * 2
    assert of(LLAMA_8B, quantization="fp8").weights / GIB == pytest.approx(8.49, abs=0.05)


def test_what_cannot_be_loaded_differs_from_what_cannot_serve() -> None:
    unloaded = of(LLAMA_70B)
    unserved = of(LLAMA_70B, tensor_parallel=2)

    assert unloaded.left < 0
    assert unloaded.problem
    assert unloaded.problem.setting == "memory"
    assert unserved.left > 0
    assert unserved.problem
    assert unserved.problem.setting == "max_model_len"


def test_a_pipeline_stage_holds_its_layers_and_the_embedding_or_the_head() -> None:
    # Measured: 4.26 GiB on the fullest of four stages, 14 % above a quarter.
    assert of(LLAMA_8B, pipeline_parallel=4).weights / GIB == pytest.approx(4.26, abs=0.04)
    assert of(LLAMA_8B, pipeline_parallel=4).token == of(LLAMA_8B).token / 4


def test_quantized_experts_count_once() -> None:
    # A repository may hold its weights twice; vLLM loads 13.64 GiB of the 25.63.
    shape = models()["openai/gpt-oss-20b"]

    assert sum(shape.weights(2)) == 13.64 * GIB
    assert sum(replace(shape, beside=0).weights(2)) / GIB == pytest.approx(12.8, abs=0.01)


def test_the_last_group_of_a_hybrid_cache_is_filled_up() -> None:
    # 10 full layers and 52 sliding ones are allocated as 70.
    gemma = models()["google/gemma-3-27b-it"]

    assert [cache.layers for cache in gemma.caches] == [10, 52]
    assert of("google/gemma-3-27b-it").token == 560 * 1024


def test_a_sliding_layer_holds_its_window_and_what_a_step_adds() -> None:
    full, sliding = 10 * 8192, 60 * 8192  # bytes per token: 10 full layers, 52 sliding ones as 60

    def takes(tokens: int, batched: int) -> float:
        return of(
            "google/gemma-3-27b-it", max_model_len=tokens, max_num_batched_tokens=batched
        ).request

    assert takes(8192, 8192) == full * 8192 + sliding * (8192 + 16)
    assert takes(65536, 2048) == full * 65536 + sliding * (1024 + 2048 + 16)


# Shapes

CONFIG: Mapping[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
}
LATENT = {
    "kv_lora_rank": 512,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
}


def test_a_config_of_its_own_is_read_as_a_known_model_is() -> None:
    assert Shape.from_config(CONFIG) == models()[LLAMA_8B]


def test_a_model_inside_a_multimodal_one_is_found() -> None:
    nested: dict[str, Any] = {
        "architectures": ["LlamaForCausalLM"],
        "text_config": CONFIG,
        "vision_config": {},
    }

    shape = Shape.from_config(nested, weights=17 * GIB)

    assert shape.caches == models()[LLAMA_8B].caches
    assert sum(shape.weights(2)) == 17 * GIB


def test_each_kind_of_layer_has_its_own_heads() -> None:
    shape = Shape.from_config(
        {
            **CONFIG,
            "layer_types": ["sliding_attention"] * 24 + ["full_attention"] * 8,
            "sliding_window": 1024,
            "head_dim": 128,
            "num_global_key_value_heads": 2,
            "global_head_dim": 512,
        }
    )

    assert shape.caches == (
        Cache(layers=8, heads=2, width=1024),
        Cache(layers=24, heads=8, width=256, window=1024),
    )


def test_a_window_that_is_switched_off_does_not_count() -> None:
    shape = Shape.from_config({**CONFIG, "sliding_window": 4096, "use_sliding_window": False})

    assert shape.caches == models()[LLAMA_8B].caches


def test_yarn_stretches_the_context() -> None:
    scaling = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
    shape = Shape.from_config({**CONFIG, "max_position_embeddings": 40960, "rope_scaling": scaling})

    assert shape.context == 131072


def test_gemma_ties_its_head_to_its_embedding_without_saying_so() -> None:
    assert Shape.from_config({**CONFIG, "model_type": "gemma2"}).tied
    assert not Shape.from_config(CONFIG).tied


def test_sparse_attention_keeps_an_index_beside_its_latent() -> None:
    shape = Shape.from_config({**CONFIG, **LATENT, "index_head_dim": 128})

    assert shape.caches == (Cache(layers=32, heads=1, width=576, beside=132),)


def test_linear_attention_takes_memory_per_request_and_not_per_token() -> None:
    one = of("Qwen/Qwen3.5-35B-A3B", tensor_parallel=2)

    assert one.token == 10 * 1 * 512 * 2
    assert one.request > one.token * one.max_model_len + 30 * GIB / 1024  # 30 MiB on each rank


def test_experts_spread_over_data_parallel_ranks_and_the_rest_does_not() -> None:
    alone = of("deepseek-ai/DeepSeek-R1", tensor_parallel=1)
    spread = of("deepseek-ai/DeepSeek-R1", data_parallel=16, expert_parallel=True)
    experts = models()["deepseek-ai/DeepSeek-R1"].experts

    assert spread.weights == pytest.approx(alone.weights - experts * 15 / 16)
    assert spread.settings.accelerators == 16


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"hidden_size": None}, "`hidden_size` is missing, or not a positive number"),
        (
            {"hybrid_override_pattern": "M-M*"},
            "`hybrid_override_pattern` is an architecture whose memory is not known here",
        ),
        ({"kv_lora_rank": 512}, "`qk_rope_head_dim` is missing, or not a positive number"),
        ({"layer_types": ["chunked"]}, "`layer_types` has chunked, not known here"),
        (
            {"vision_config": {"depth": 27}},
            "a vision tower is not counted: the bytes of its weights are needed",
        ),
        (
            {
                "full_attention_interval": 4,
                "linear_num_key_heads": 16,
                "linear_num_value_heads": 32,
                "linear_key_head_dim": 128,
                "linear_value_head_dim": 128,
                "linear_conv_kernel_dim": 4,
            },
            "linear attention is not counted: its weights' bytes are needed",
        ),
        (
            {"quantization_config": {"quant_method": "aqlm"}},
            "`quant_method` aqlm is not known here",
        ),
    ],
)
def test_a_config_that_is_not_understood_is_refused(
    config: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=r"known|missing|counted") as refused:
        Shape.from_config({**CONFIG, **config})

    assert str(refused.value) == message


# Refusals, as a user reads them


def refused(one: Fit, path: str, value: object) -> str:
    assert one.problem
    assert one.verdict == "cannot start"
    return wrong(path, value, one.problem.expected)


@pytest.mark.parametrize(
    ("model", "ranks", "divided"),
    [(LLAMA_8B, 3, "32 attention heads"), ("Qwen/Qwen3-14B", 5, "151936 vocabulary entries")],
)
def test_ranks_have_to_divide_the_model(model: str, ranks: int, divided: str) -> None:
    # Both were tried when the start-ups were measured, and failed.
    assert refused(of(model, tensor_parallel=ranks), "models[0].tensorParallel", ranks) == (
        f"`models[0].tensorParallel` is `{ranks}`, expected a divisor of the model's {divided}"
    )


def test_ranks_copy_or_share_kv_heads_evenly() -> None:
    shape = Shape.from_config({**CONFIG, "num_attention_heads": 48, "num_key_value_heads": 12})
    one = fit(shape, H100, Settings(tensor_parallel=8))

    assert refused(one, "models[0].tensorParallel", 8) == (
        "`models[0].tensorParallel` is `8`, expected a divisor or multiple of the model's 12 "
        "KV heads"
    )


def test_ranks_hold_whole_quantization_blocks() -> None:
    blocks = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    experts = {"num_experts": 128, "moe_intermediate_size": 768}
    shape = Shape.from_config({**CONFIG, **experts, "quantization_config": blocks})
    one = fit(shape, H100, Settings(tensor_parallel=4))

    assert refused(one, "models[0].tensorParallel", 4) == (
        "`models[0].tensorParallel` is `4`, expected ranks that hold whole quantization blocks of "
        "128: 4 would leave each 192 of the expert width"
    )
    assert not fit(shape, H100, Settings(tensor_parallel=4, expert_parallel=True)).problem
    assert not fit(shape, DEVICES["tpu7x"], Settings(tensor_parallel=4)).problem


def test_a_length_beyond_the_model_is_refused() -> None:
    one = of("Qwen/Qwen3-8B", max_model_len=65536)

    assert refused(one, "models[0].maxModelLen", 65536) == (
        "`models[0].maxModelLen` is `65536`, expected at most 40960, the model's own context"
    )


def test_weights_that_do_not_fit_are_refused() -> None:
    assert refused(of(LLAMA_70B), "models[0].name", LLAMA_70B) == (
        f"`models[0].name` is `{LLAMA_70B}`, expected room for 134.58 GiB, which are needed "
        "before there is KV cache for a first token: NVIDIA H100 80GB has 72.85 GiB to use"
    )


def test_a_request_that_does_not_fit_is_refused_with_the_length_that_does() -> None:
    one = of("Qwen/Qwen3-8B", "l4", max_model_len=16384)

    assert refused(one, "models[0].maxModelLen", 16384) == (
        "`models[0].maxModelLen` is `16384`, expected at most 10944: one request of 16,384 tokens "
        "takes 2.25 GiB of KV cache, and NVIDIA L4 has 1.50 GiB left"
    )


def test_a_cache_larger_than_what_is_left_is_refused() -> None:
    one = fit(models()["Qwen/Qwen3-0.6B"], cpu(8 * GIB), Settings(kv_cache=4 * GIB))

    assert refused(one, "models[0].kvCache", "4Gi") == (
        "`models[0].kvCache` is `4Gi`, expected at most 2.89 GiB, which CPU has left beside "
        "everything else"
    )


def test_a_cache_smaller_than_one_request_is_refused() -> None:
    settings = Settings(kv_cache=100 * 2**20, max_model_len=2048)
    one = fit(models()["Qwen/Qwen3-0.6B"], cpu(8 * GIB), settings)

    assert refused(one, "models[0].kvCache", "100Mi") == (
        "`models[0].kvCache` is `100Mi`, expected at least 0.22 GiB, for one request of 2,048 "
        "tokens"
    )


def test_the_arithmetic_is_shown() -> None:
    assert explain(of(LLAMA_70B, tensor_parallel=2)) == [
        "79.19 GiB of NVIDIA H100 80GB x 0.92",
        "- 65.71 GiB weights, of 131.42 GiB in all",
        "- 1.89 GiB working memory",
        "- 2.10 GiB outside of torch",
        "- 1.00 GiB CUDA graphs (measured with vLLM 0.19 on H100)",
        "= 2.16 GiB for KV cache: 14,128 tokens of 160 KiB",
        "one request of 131,072 tokens takes 20.00 GiB: 0.1 at once",
    ]


def test_overheads_that_nobody_has_published_are_said_to_be_unknown() -> None:
    one = of("Qwen/Qwen3-32B", "mi300x")

    assert one.verdict == "unknown"
    assert (one.activation, one.non_torch, one.graphs) == (None, None, None)
    assert explain(one)[2:] == [
        "- what the server itself takes: not known for AMD MI300X",
        "= at most 115.60 GiB for KV cache: at most 473,472 tokens of 256 KiB",
        "one request of 40,960 tokens takes 10.00 GiB: at most 11.5 at once",
    ]


def test_what_cannot_fit_whatever_the_overheads_is_refused_all_the_same() -> None:
    assert of("deepseek-ai/DeepSeek-R1", "mi300x").verdict == "cannot start"


@pytest.mark.parametrize("name", DEVICES)
def test_an_accelerator_says_where_its_figures_come_from(name: str) -> None:
    device = DEVICES[name]

    assert device.source
    assert device.name.startswith("NVIDIA") == bool(device.overheads)


# Whatever the model

ANY_MODEL = st.sampled_from(sorted(models()))
MEMORY = st.floats(min_value=1, max_value=2000)
LENGTH = st.integers(min_value=1, max_value=131072)


@given(model=ANY_MODEL, less=MEMORY, more=MEMORY)
def test_more_memory_never_holds_fewer_tokens(model: str, less: float, more: float) -> None:
    small, large = (
        fit(models()[model], replace(H100, memory=gib * GIB), Settings())
        for gib in sorted((less, more))
    )

    assert small.kv_tokens <= large.kv_tokens
    assert longest(small) <= longest(large)
    assert large.problem is None or small.problem is not None


@given(model=ANY_MODEL, lengths=st.tuples(LENGTH, LENGTH))
def test_a_longer_request_never_takes_less(model: str, lengths: tuple[int, int]) -> None:
    short, long = (of(model, max_model_len=length) for length in sorted(lengths))

    assert short.request <= long.request


@given(model=ANY_MODEL, memory=MEMORY)
def test_the_longest_request_fits_and_a_longer_one_does_not(model: str, memory: float) -> None:
    shape, device = models()[model], replace(H100, memory=memory * GIB)
    length = longest(fit(shape, device, Settings()))

    if length:
        assert not fit(shape, device, Settings(max_model_len=length)).problem
    if length < shape.context:
        assert fit(shape, device, Settings(max_model_len=length + 1)).problem


@given(model=ANY_MODEL, ranks=st.sampled_from([1, 2, 4, 8]))
def test_more_ranks_never_hold_more_on_each(model: str, ranks: int) -> None:
    fewer, more = (of(model, tensor_parallel=count) for count in (ranks, 2 * ranks))

    assert more.weights < fewer.weights
    assert more.token <= fewer.token
