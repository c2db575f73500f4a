"""What the routing bench makes of answers, without sending anything."""

import math
from random import Random

import numpy as np
import pytest

from bench.routing import figures, report, servers
from bench.routing.client import Answer, Failure
from bench.routing.figures import change, of_servers, of_stages, percentile, spread
from bench.routing.parameters import PRESSURE, SHORT, Stage
from bench.routing.servers import METRICS, Counters, parse
from bench.routing.trial import Harness, Run
from bench.running import BenchError

STAGES = (Stage(rate=1, seconds=10), Stage(rate=1, seconds=10))


def answer(sent: float, *, ttft: float = 1.0, tpot: float = 0.1, stage: int = 0) -> Answer:
    first = sent + ttft
    return Answer(
        stage=stage, planned=sent - 0.01, sent=sent, first=first, last=first + 10 * tpot, tokens=11
    )


def failure(sent: float) -> Failure:
    return Failure(stage=0, planned=sent, sent=sent, why="503")


def counters(**counted: float) -> Counters:
    return Counters(**{name: counted.get(name, 0.0) for name in METRICS})


@pytest.mark.parametrize("percent", [0, 1, 50, 90, 99, 100])
@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_percentiles_are_numpys(count: int, percent: float) -> None:
    random = Random(count)  # noqa: S311 - no secret
    values = [random.expovariate(1) for _ in range(count)]

    assert percentile(values, percent) == pytest.approx(float(np.percentile(values, percent)))


def test_percentiles_of_a_known_distribution_are_found() -> None:
    random = Random(1)  # noqa: S311 - no secret
    values = [random.expovariate(1) for _ in range(100_000)]

    for percent in (50, 90, 99):
        assert percentile(values, percent) == pytest.approx(-math.log(1 - percent / 100), rel=0.03)


def test_nothing_has_no_percentile() -> None:
    assert math.isnan(percentile([], 50))


def test_first_token_and_time_per_token_are_taken_apart() -> None:
    _, overall = of_stages([answer(0, ttft=2, tpot=0.3), answer(1, ttft=4, tpot=0.5)], STAGES)

    assert (overall.ttft_mean, overall.ttft_p50) == (3, 3)
    assert overall.tpot_mean == pytest.approx(0.4)
    assert overall.late_p99 == pytest.approx(0.01)


def test_rates_count_until_the_last_answer() -> None:
    _, overall = of_stages([answer(0), answer(1), answer(8)], STAGES)

    assert overall.requests_per_second == pytest.approx(3 / 10)
    assert overall.output_tokens_per_second == pytest.approx(33 / 10)


def test_a_request_belongs_to_the_stage_that_sent_it() -> None:
    (first, second), overall = of_stages([answer(9, ttft=9), answer(12, ttft=1, stage=1)], STAGES)

    assert (first.sent, second.sent, overall.sent) == (1, 1, 2)
    assert (first.ttft_mean, second.ttft_mean) == (9, 1)
    assert second.requests_per_second == pytest.approx(1 / (14 - 10))


def test_errors_are_counted_and_make_no_latency() -> None:
    _, overall = of_stages([answer(0, ttft=2), failure(1), failure(2)], STAGES)

    assert (overall.sent, overall.errors) == (3, 2)
    assert overall.ttft_p99 == 2


def test_a_stage_without_answers_has_no_latency_and_a_rate_of_nothing() -> None:
    _, overall = of_stages([failure(1)], STAGES)

    assert overall.requests_per_second == 0
    assert math.isnan(overall.ttft_p50)


def test_hits_are_shares_of_tokens_and_not_averages_of_servers() -> None:
    before = {"a": counters(prefix_queries=100), "b": counters()}
    after = {
        "a": counters(requests=3, prefix_queries=400, prefix_hits=300),
        "b": counters(requests=1, prefix_queries=100),
    }

    found = of_servers(before, after)

    assert found.hit_share == 0.75
    assert found.requests == {"a": 3, "b": 1}
    assert found.busiest == 1.5


def test_a_change_is_taken_seed_by_seed() -> None:
    found = change([11, 220, 3300], [10, 200, 1000])

    assert found.median == pytest.approx(0.1)
    assert (found.low, found.high) == pytest.approx((0.1, 2.3))


def test_a_spread_is_that_of_the_seeds() -> None:
    assert spread([3, 1, 2]) == figures.Spread(median=2, low=1, high=3)


def test_counters_are_summed_over_their_labels() -> None:
    lines = [f'{metric}{{engine="0"}} 1.0' for metric in METRICS.values()]
    more = 'vllm:request_success_total{engine="1"} 2.0'

    assert parse("\n".join([*lines, more, ""])).requests == 3


def test_a_counter_that_is_missing_is_no_zero() -> None:
    with pytest.raises(BenchError, match="prefix_cache_hits"):
        parse("vllm:request_success_total 1.0\nvllm:prefix_cache_queries_total 1.0\n")


def test_a_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(BenchError, match=r"127\.0\.0\.1:1/metrics"):
        servers.counters({"pod": "http://127.0.0.1:1"})


def run(arm: str, ttft: float) -> Run:
    stages = PRESSURE.stages
    answers = [answer(index * 3, ttft=ttft, stage=index) for index in range(len(stages))]
    of_each, overall = of_stages(answers, stages)
    return Run(
        workload=PRESSURE.name,
        arm=arm,
        seed=1,
        stages=of_each,
        overall=overall,
        servers=of_servers(
            {"a": counters()},
            {"a": counters(requests=3, prefix_queries=4, prefix_hits=1, steps=1, lag=0.002)},
        ),
        harness=Harness(client_cpu=0.05, machine_cpu=0.5, cores=2),
        failures=["503 overflow"],
    )


def test_the_table_shows_arms_stages_changes_harness_and_failures() -> None:
    said = report.text([run("round-robin", 1.0), run("default", 0.25)], SHORT)

    assert said.startswith(report.LABEL)
    assert "-75% (-75% … -75%)" in said
    assert "40/s, 3 s" in said
    assert "took 5% of a core, everything on this machine 0.5 of 2; steps ended 2.0 ms late" in said
    assert "default, seed 1: 503 overflow" in said


def test_what_is_kept_for_programs_says_what_it_is_no_measurement_of() -> None:
    kept = report.plain([run("round-robin", 1.0), run("default", 0.25)], SHORT)

    assert "no measurement of a GPU" in kept["what"]
    [change_of_default] = kept["changes"]
    assert change_of_default["TTFT mean"]["median"] == pytest.approx(-0.75)
    assert [one["arm"] for one in kept["runs"]] == ["round-robin", "default"]
