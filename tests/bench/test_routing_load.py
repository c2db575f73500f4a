"""What the routing bench sends: decided by the seed, shaped by the workload."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from statistics import fmean

import pytest
from aiohttp import web

from bench.routing.client import Answer, Failure, send
from bench.routing.parameters import (
    CHARACTERS_PER_TOKEN,
    CONTROL,
    FULL,
    PRESSURE,
    REPLICAS,
    Stage,
    Workload,
)
from bench.routing.requests import Request, load

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

COMPARED = 256 * 64
"""Characters of a prompt that the endpoint picker 1.3 compares, unless it is told otherwise."""
LONG = replace(PRESSURE, stages=(Stage(rate=50, seconds=20), Stage(rate=200, seconds=20)))


def prefix(workload: Workload, request: Request) -> str:
    return request.prompt[: workload.prefix_tokens * CHARACTERS_PER_TOKEN]


def test_the_same_seed_makes_the_same_requests() -> None:
    assert load(PRESSURE, 1) == load(PRESSURE, 1)


def test_another_seed_shares_no_prefix_so_that_no_cache_is_warm_from_the_one_before() -> None:
    first, second = (
        {prefix(PRESSURE, one) for one in load(PRESSURE, seed).warm_up} for seed in (1, 2)
    )

    assert not first & second


@pytest.mark.parametrize("workload", [PRESSURE, CONTROL], ids=lambda one: one.name)
def test_requests_of_a_group_share_its_prefix_and_nothing_else(workload: Workload) -> None:
    made = load(workload, 1)
    requests = [*made.warm_up, *made.measured]

    assert len({(one.group, prefix(workload, one)) for one in requests}) == workload.groups
    assert len({one.prompt for one in requests}) == len(requests)


@pytest.mark.parametrize("workload", [PRESSURE, CONTROL], ids=lambda one: one.name)
def test_prompts_are_as_long_as_said_and_short_enough_to_be_compared(workload: Workload) -> None:
    lengths = {len(one.prompt) for one in load(workload, 1).measured}

    assert lengths == {4 * (workload.prefix_tokens + workload.question_tokens)}
    assert max(lengths) <= COMPARED


@pytest.mark.parametrize("workload", [PRESSURE, CONTROL], ids=lambda one: one.name)
def test_the_warm_up_asks_every_group_once(workload: Workload) -> None:
    asked = Counter(one.group for one in load(workload, 1).warm_up)

    assert asked == dict.fromkeys(range(workload.groups), 1)


def test_arrivals_are_a_poisson_process_at_the_rate_of_each_stage() -> None:
    requests = load(LONG, 1).measured

    for index, stage in enumerate(LONG.stages):
        moments = [one.at for one in requests if one.stage == index]
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        mean = fmean(gaps)
        assert mean == pytest.approx(1 / stage.rate, rel=0.1)
        # Of an exponential distribution, whose deviation equals its mean.
        deviation = fmean((gap - mean) ** 2 for gap in gaps) ** 0.5
        assert deviation == pytest.approx(mean, rel=0.15)


def test_requests_stay_within_their_stage() -> None:
    for one in load(LONG, 1).measured:
        assert one.stage * 20 <= one.at < (one.stage + 1) * 20


def test_a_group_meets_round_robins_replicas_in_no_fixed_order() -> None:
    turns = [(one.group, index % REPLICAS) for index, one in enumerate(load(LONG, 1).measured)]

    of_a_group = [turn for group, turn in turns if group == 0]
    assert len(set(of_a_group)) == REPLICAS


def test_every_arm_of_the_control_is_one_of_the_comparison() -> None:
    comparison, control = FULL

    assert set(control.arms) < set(comparison.arms)


def requests(*moments: float) -> list[Request]:
    return [Request(at=at, stage=0, group=0, prompt=str(index)) for index, at in enumerate(moments)]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncGenerator[str]:
    app = web.Application()
    app.router.add_post("/v1/completions", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        [(host, port)] = runner.addresses
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def stream(request: web.Request, *pieces: tuple[float, str]) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for seconds, piece in pieces:
        await asyncio.sleep(seconds)
        await response.write(f"data: {piece}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response


PIECE = '{"choices": [{"text": "a"}]}'
USAGE = '{"choices": [], "usage": {"completion_tokens": 8}}'


def sent(handler: Handler, *moments: float) -> list[Answer | Failure]:
    async def scenario() -> list[Answer | Failure]:
        async with serving(handler) as url:
            return await send(url, requests(*moments), output_tokens=8)

    return asyncio.run(scenario())


def test_a_request_is_sent_at_its_moment_though_none_before_it_is_answered() -> None:
    count = 150  # more than aiohttp's own limit of connections
    came, all_are_here = 0, asyncio.Event()

    async def answers_the_last_first(request: web.Request) -> web.StreamResponse:
        nonlocal came
        came += 1
        if came == count:
            all_are_here.set()
        await all_are_here.wait()
        return await stream(request, (0, PIECE), (0, USAGE))

    answers = sent(answers_the_last_first, *(index / 1000 for index in range(count)))

    assert [type(one) for one in answers] == [Answer] * count
    assert all(one.sent >= one.planned for one in answers)


def test_the_first_token_and_the_last_are_told_apart() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await stream(request, (0.1, PIECE), (0.2, PIECE), (0.2, USAGE))

    [answer] = sent(handler, 0)

    assert isinstance(answer, Answer)
    assert 0.1 <= answer.first - answer.sent < 0.2
    assert 0.2 <= answer.last - answer.first < 0.4
    assert answer.tokens == 8


@pytest.mark.parametrize(
    ("status", "said", "why"),
    [(503, "overflow", "503"), (500, "", "500"), (200, "data: [DONE]\n\n", "0 of 8 tokens")],
)
def test_what_is_no_whole_answer_is_a_failure(status: int, said: str, why: str) -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=said)

    [failure] = sent(handler, 0)

    assert isinstance(failure, Failure)
    assert why in failure.why


def test_a_server_that_is_gone_is_a_failure_too() -> None:
    async def scenario() -> list[Answer | Failure]:
        return await send("http://127.0.0.1:1", requests(0), output_tokens=8)

    assert [type(one) for one in asyncio.run(scenario())] == [Failure]


def test_the_body_asks_for_exactly_what_is_measured() -> None:
    bodies: list[Mapping[str, object]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        return await stream(request, (0, PIECE), (0, USAGE))

    began = time.monotonic()
    sent(handler, 0.2)

    assert time.monotonic() - began >= 0.2
    [body] = bodies
    assert body["prompt"] == "0"
    assert (body["max_tokens"], body["ignore_eos"], body["stream"]) == (8, True, True)
