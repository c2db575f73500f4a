"""What is changed so that a model fits, and what is picked."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.capacity import (
    DEVICES,
    Room,
    Settings,
    auto,
    changes,
    cpu,
    fit,
    longest,
    models,
    served,
)

GIB = 2**30
H100, L4, MI300X = DEVICES["h100-80gb"], DEVICES["l4"], DEVICES["mi300x"]
LLAMA_70B = models()["meta-llama/Llama-3.3-70B-Instruct"]
QWEN_8B = models()["Qwen/Qwen3-8B"]
ROOM = Room(nodes=2, devices=8)


def test_the_three_smallest_changes_are_told_with_what_they_serve() -> None:
    one = fit(LLAMA_70B, H100, Settings(tensor_parallel=2))

    found = changes(one, ROOM, replicas=1)

    assert [(change.values, served(change.fit, change.replicas)) for change in found] == [
        (
            {"max_model_len": 13312},
            "14,128 KV tokens, 1.0 requests of 13,312 tokens at once, 2 accelerator(s)",
        ),
        (
            {"quantization": "fp8"},
            "223,024 KV tokens, 1.7 requests of 131,072 tokens at once, 2 accelerator(s)",
        ),
        (
            {"tensor_parallel": 4},
            "458,880 KV tokens, 3.5 requests of 131,072 tokens at once, 4 accelerator(s)",
        ),
    ]


def test_changes_are_combined_where_one_is_not_enough() -> None:
    one = fit(LLAMA_70B, H100, Settings())

    assert [change.values for change in changes(one, ROOM, replicas=1)] == [
        {"tensor_parallel": 4},
        {"quantization": "fp8", "max_model_len": 6144},
        {"tensor_parallel": 2, "max_model_len": 13312},
    ]


def test_larger_replicas_are_fewer_where_the_machines_are_not_enough() -> None:
    one = fit(LLAMA_70B, H100, Settings())
    fewer = [change for change in changes(one, ROOM, replicas=12) if "replicas" in change.values]

    assert [change.values for change in fewer] == [{"tensor_parallel": 4, "replicas": 4}]


def test_fp8_is_not_suggested_where_it_cannot_be_computed_or_is_there_already() -> None:
    a100 = fit(QWEN_8B, replace(DEVICES["a100-40gb"], memory=22 * GIB), Settings())
    quantized = fit(
        models()["RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic"], H100, Settings(tensor_parallel=1)
    )

    for change in (*changes(a100, ROOM, replicas=1), *changes(quantized, ROOM, replicas=1)):
        assert "quantization" not in change.values
    for change in changes(a100, ROOM, replicas=1):
        assert "kv_cache_dtype" not in change.values


def test_a_cache_that_is_too_small_is_made_larger_where_there_is_room() -> None:
    one = fit(
        models()["Qwen/Qwen3-0.6B"],
        cpu(8 * GIB),
        Settings(kv_cache=100 * 2**20, max_model_len=2048),
    )
    found = changes(one, Room(nodes=1, devices=2), replicas=2)

    assert [change.values for change in found] == [
        {"kv_cache": 224 * 2**20},
        {"max_model_len": 912},
    ]


def test_there_is_no_change_where_no_node_holds_the_model() -> None:
    one = fit(models()["deepseek-ai/DeepSeek-R1"], H100, Settings(tensor_parallel=8))

    assert changes(one, ROOM, replicas=1) == ()


@pytest.mark.parametrize(
    ("model", "device", "picked"),
    [
        ("Qwen/Qwen3-8B", "h100-80gb", (1, 40960, 16)),
        ("meta-llama/Llama-3.3-70B-Instruct", "h100-80gb", (4, 131072, 4)),
        ("Qwen/Qwen3-32B", "l4", (8, 40960, 2)),
        ("Qwen/Qwen3-235B-A22B", "h100-80gb", (8, 40960, 2)),
        ("meta-llama/Llama-3.1-405B-Instruct", "h200", (8, 131072, 2)),
    ],
)
def test_the_fewest_accelerators_that_hold_the_full_context_are_picked(
    model: str, device: str, picked: tuple[int, int, int]
) -> None:
    sizing = auto(models()[model], DEVICES[device], ROOM)

    assert sizing
    assert (sizing.tensor_parallel, sizing.max_model_len, sizing.replicas) == picked
    assert not sizing.fit.problem


def test_the_longest_request_is_picked_where_the_full_context_does_not_fit() -> None:
    sizing = auto(QWEN_8B, L4, Room(nodes=3, devices=1))

    assert sizing
    assert (sizing.tensor_parallel, sizing.max_model_len, sizing.replicas) == (1, 10240, 3)


def test_a_length_that_is_asked_for_needs_no_more_accelerators_than_it_takes() -> None:
    sizing = auto(LLAMA_70B, H100, ROOM, Settings(max_model_len=8192))

    assert sizing
    assert (sizing.tensor_parallel, sizing.max_model_len, sizing.replicas) == (2, 8192, 8)


def test_nothing_is_picked_where_nothing_fits() -> None:
    assert auto(models()["deepseek-ai/DeepSeek-R1"], H100, ROOM) is None
    assert auto(QWEN_8B, H100, Room(nodes=1, devices=0)) is None


@pytest.mark.parametrize(
    ("settings", "replicas"),
    [
        (Settings(tensor_parallel=3), 4),  # two devices of each node are left over
        (Settings(tensor_parallel=8, pipeline_parallel=2), 1),
        (Settings(tensor_parallel=4, data_parallel=3), 1),
    ],
)
def test_ranks_share_a_node_and_stages_may_cross_nodes(settings: Settings, replicas: int) -> None:
    assert ROOM.replicas(settings) == replicas


def test_what_is_picked_for_an_unknown_accelerator_is_an_upper_bound() -> None:
    sizing = auto(QWEN_8B, MI300X, ROOM)

    assert sizing
    assert not sizing.fit.known
    assert served(sizing.fit, 1).startswith("at most ")


@given(
    model=st.sampled_from(sorted(models())),
    device=st.sampled_from(sorted(DEVICES)),
    room=st.builds(Room, nodes=st.integers(1, 4), devices=st.integers(1, 8)),
    replicas=st.integers(1, 8),
)
def test_every_suggestion_fits_the_machines(
    model: str, device: str, room: Room, replicas: int
) -> None:
    one = fit(models()[model], DEVICES[device], Settings())
    found = changes(one, room, replicas)

    assert len(found) <= 3
    for change in found:
        assert not change.fit.problem
        assert 0 < change.replicas <= min(replicas, room.replicas(change.fit.settings))
    if sizing := auto(models()[model], DEVICES[device], room):
        assert not sizing.fit.problem
        assert sizing.replicas > 0
        assert sizing.max_model_len <= longest(sizing.fit)
