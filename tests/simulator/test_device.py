import pytest

from simulator.device import DEVICES
from simulator.engine import Batch

H100 = DEVICES["h100x2-qwen3-32b"]
CONTEXT = 7577 + 911 / 2
"""Tokens that a sequence of the guide's run attends to, on average."""


@pytest.mark.parametrize(
    ("running", "requests_per_second", "milliseconds"),
    [(13.05, 4.4154 / 8, 23.47), (72.5, 7.0906 / 8, 79.24)],
)
def test_the_guides_published_time_per_output_token_comes_out(
    running: float, requests_per_second: float, milliseconds: float
) -> None:
    step = (
        H100.seconds(Batch(prefill_tokens=0, sequences=1, context_tokens=0))
        + (running - 1) * H100.sequence_seconds
        + running * CONTEXT * H100.context_seconds
    )
    prefilling = requests_per_second * 1577 / H100.prefill_tokens_per_second

    assert step / (1 - prefilling) == pytest.approx(milliseconds / 1e3, rel=0.01)


def test_no_step_reads_memory_faster_than_two_h100_can() -> None:
    bandwidth = 2 * 3.35e12

    assert 61.02 * 2**30 / H100.step_seconds < bandwidth
    assert 2 * H100.kv_token_bytes / H100.context_seconds < bandwidth


@pytest.mark.parametrize("name", DEVICES)
def test_a_prompt_of_full_length_fits_into_a_devices_cache(name: str) -> None:
    device = DEVICES[name]

    assert device.kv_cache_memory_bytes >= device.max_model_len * device.kv_token_bytes


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("more", ["prefill_tokens", "sequences", "context_tokens"])
def test_more_work_takes_longer(name: str, more: str) -> None:
    work = {"prefill_tokens": 1, "sequences": 1, "context_tokens": 1}

    assert DEVICES[name].seconds(Batch(**{**work, more: 100})) > DEVICES[name].seconds(
        Batch(**work)
    )
