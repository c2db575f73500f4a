import asyncio
import json
from typing import Any

import pytest
from served import CHAT, COMPLETION, Client, client, run

SAID: dict[str, Any] = {"messages": [{"role": "user", "content": "What is a block?"}]}
ASKED: dict[str, Any] = {"model": "m", "prompt": "A block is"}


def text_of(events: list[Any]) -> str:
    return "".join(
        choice.get("text") or choice.get("delta", {}).get("content", "")
        for event in events
        for choice in event["choices"]
    )


@pytest.mark.parametrize(("path", "ask"), [(CHAT, SAID), (COMPLETION, ASKED)])
def test_a_stream_says_the_same_as_a_whole_answer(path: str, ask: dict[str, Any]) -> None:
    async def test() -> None:
        async with client("--stream-interval=10") as one:
            limited = {**ask, "max_tokens": 25, "ignore_eos": True}
            whole = (await one.post(path, limited)).body
            events = await one.events(path, {**limited, "stream_options": {"include_usage": True}})

        choice = whole["choices"][0]
        assert text_of(events) == choice.get("text", choice.get("message", {}).get("content"))
        assert choice["finish_reason"] == "length"
        # The first token at once, then every tenth, then what is left.
        assert [len(text_of([event])) // 4 for event in events] == [1, 10, 10, 4, 0]
        reasons = [event["choices"][0]["finish_reason"] for event in events[:-1]]
        assert reasons == [None, None, None, "length"]
        assert events[-1]["usage"]["completion_tokens"] == 25
        assert whole["usage"]["total_tokens"] == whole["usage"]["prompt_tokens"] + 25

    run(test())


def test_answers_do_not_depend_on_who_else_is_served() -> None:
    async def test() -> None:
        asks = [{**ASKED, "prompt": f"Question {at % 20}", "max_tokens": 30} for at in range(40)]
        async with client("--max-num-seqs=7", "--num-gpu-blocks-override=300") as one:
            together = await asyncio.gather(*(one.post(COMPLETION, ask) for ask in asks))
            alone = [await one.post(COMPLETION, ask) for ask in asks[:20]]

        texts = [answer.body["choices"][0]["text"] for answer in together]
        assert texts == 2 * [answer.body["choices"][0]["text"] for answer in alone]
        assert len(set(texts)) == 20

    run(test())


def test_a_conversation_finds_its_last_turn_in_the_cache() -> None:
    async def test() -> None:
        async with client() as one:
            first = (await one.post(CHAT, {**SAID, "max_tokens": 100})).body
            said = first["choices"][0]["message"]
            following = [*SAID["messages"], said, {"role": "user", "content": "And then?"}]
            second = (await one.post(CHAT, {"messages": following, "max_tokens": 1})).body
            hits = await one.metric("vllm:prefix_cache_hits_total")

        cached = second["usage"]["prompt_tokens_details"]["cached_tokens"]
        assert first["usage"]["prompt_tokens_details"] == {"cached_tokens": 0}
        assert cached == hits
        assert first["usage"]["total_tokens"] - cached <= 16

    run(test())


def test_an_answer_ends_as_it_was_asked_to() -> None:
    async def test() -> None:
        async with client() as one:

            async def choice(**more: Any) -> Any:
                return (await one.post(COMPLETION, {**ASKED, **more})).body["choices"][0]

            whole = await choice()
            word = whole["text"][8:12]
            assert whole["finish_reason"] == "stop"
            assert (await choice(stop=word))["text"] == whole["text"].split(word)[0]
            assert len((await choice(max_tokens=3))["text"]) == 3 * 4
            longer = await choice(min_tokens=len(whole["text"]) // 4 + 9)
            assert len(longer["text"]) == len(whole["text"]) + 9 * 4
            assert (await choice(seed=1, max_tokens=9))["text"] != whole["text"][:36]

        async with client("--max-model-len=64") as one:
            full = (await one.post(COMPLETION, {**ASKED, "ignore_eos": True})).body
        assert full["usage"]["total_tokens"] == 64

    run(test())


def test_a_stop_string_of_several_blocks_is_produced_though_it_is_not_sent() -> None:
    async def test() -> None:
        async with client() as one:
            ask = {**ASKED, "max_tokens": 100, "ignore_eos": True}
            whole = (await one.post(COMPLETION, ask)).body["choices"][0]["text"]
            stopping = {**ask, "stop": [whole[8:300]]}
            ended = (await one.post(COMPLETION, stopping)).body
            events = await one.events(COMPLETION, stopping)

        assert ended["choices"][0]["text"] == text_of(events) == whole[:8]
        assert ended["choices"][0]["finish_reason"] == "stop"
        assert ended["usage"]["completion_tokens"] == 75

    run(test())


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        (COMPLETION, b"{", 400, "JSON decode error"),
        (COMPLETION, b"[]", 400, "valid dictionary"),
        (COMPLETION, {"model": "m"}, 400, "prompt"),
        (COMPLETION, {**ASKED, "prompt": [1, 2]}, 400, "only one prompt, as text"),
        (COMPLETION, {**ASKED, "model": "x"}, 404, "The model `x` does not exist."),
        (COMPLETION, {**ASKED, "max_tokens": "1"}, 400, "valid integer"),
        (COMPLETION, {**ASKED, "max_tokens": 0}, 400, "at least 1, got 0"),
        (COMPLETION, {**ASKED, "min_tokens": 9, "max_tokens": 8}, 400, "max_tokens=8, got 9"),
        (COMPLETION, {**ASKED, "stop": [1]}, 400, "valid string"),
        (COMPLETION, {**ASKED, "n": 2}, 400, "only one answer"),
        (COMPLETION, {**ASKED, "max_tokens": 62}, 400, "too large: 62. This model's maximum"),
        (COMPLETION, {**ASKED, "prompt": "x" * 256}, 400, "64 tokens. However, your request has"),
        (COMPLETION, {**ASKED, "prompt": "x" * 2**21}, 400, "request has 524288 input tokens"),
        (CHAT, {}, 400, "Field required"),
        (CHAT, {"messages": []}, 400, "at least 1 item"),
        (CHAT, {"messages": ["hello"]}, 400, "valid dictionary"),
        (CHAT, {"messages": [{"content": "hello"}]}, 400, "valid string"),
        (CHAT, {"messages": [{"role": "user", "content": [{"image_url": 1}]}]}, 400, "only text"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong_in_the_apis_format(
    path: str, body: Any, status: int, told: str
) -> None:
    async def test() -> None:
        async with client("--max-model-len=64") as one:
            answer = await one.post(path, body, {"X-Request-Id": "r-1"})

        assert answer.status == answer.body["error"]["code"] == status
        assert told in answer.body["error"]["message"]
        assert answer.headers["X-Request-Id"] == "r-1"

    run(test())


def test_a_chat_may_come_in_parts_and_to_any_served_name() -> None:
    async def test() -> None:
        parts = [{"type": "text", "text": "What is "}, {"type": "text", "text": "a block?"}]
        async with client("--served-model-name", "a", "b") as one:
            whole = await one.post(CHAT, {**SAID, "model": "a"})
            split = await one.post(
                CHAT, {"model": "b", "messages": [{"role": "user", "content": parts}]}
            )
            listed = (await one.get("/v1/models")).body["data"]

        assert whole.body["choices"] == split.body["choices"]
        assert (whole.body["model"], split.body["model"]) == ("a", "b")
        assert [model["id"] for model in listed] == ["a", "b"]
        assert listed[0]["max_model_len"] == 4096

    run(test())


def test_answers_name_the_request_and_the_pod() -> None:
    async def test() -> None:
        async with client() as one:
            whole = await one.post(CHAT, SAID, {"X-Request-Id": "r-1"})
            async with one.session.post(
                CHAT, json={**SAID, "stream": True}, headers={"X-Request-Id": "r-2"}
            ) as stream:
                streamed = stream.headers

        assert whole.body["id"] == "chatcmpl-r-1"
        assert whole.headers["x-inference-pod"] == streamed["x-inference-pod"] == "pod-7"
        assert (whole.headers["X-Request-Id"], streamed["X-Request-Id"]) == ("r-1", "r-2")

    run(test())


def test_a_client_that_goes_away_frees_its_slot_and_its_blocks() -> None:
    async def test() -> None:
        endless = {**ASKED, "max_tokens": 4000, "ignore_eos": True}
        async with client() as one:
            stream = await one.begun(endless)
            whole = asyncio.create_task(one.post(COMPLETION, endless))
            await asyncio.sleep(0.1)
            assert await one.metric("vllm:num_requests_running") == 2
            assert await one.metric("vllm:kv_cache_usage_perc") > 0
            stream.close()
            whole.cancel()
            await one.server.idle.wait()
            assert await one.metric("vllm:num_requests_running") == 0
            assert await one.metric("vllm:kv_cache_usage_perc") == 0
            gone = await one.metric("vllm:request_success_total", finished_reason="abort")

        assert gone == 2

    run(test())


def test_the_metrics_count_what_was_served() -> None:
    async def test() -> None:
        async with client() as one:
            for _ in range(3):
                await one.post(COMPLETION, {**ASKED, "max_tokens": 5, "ignore_eos": True})
            read = {
                name: await one.metric(name)
                for name in (
                    "vllm:prompt_tokens_total",
                    "vllm:generation_tokens_total",
                    "vllm:time_to_first_token_seconds_count",
                    "vllm:inter_token_latency_seconds_count",
                    "vllm:request_time_per_output_token_seconds_count",
                    "vllm:e2e_request_latency_seconds_count",
                    "simulator:step_lag_seconds_count",
                )
            }
            ended = await one.metric("vllm:request_success_total", finished_reason="length")

        assert ended == 3
        assert list(read.values()) == [9, 15, 3, 12, 3, 3, 15]

    run(test())


def test_a_busy_process_does_not_slow_the_device() -> None:
    async def test() -> None:
        async with client() as one:
            asked = asyncio.create_task(
                one.post(COMPLETION, {**ASKED, "max_tokens": 60, "ignore_eos": True})
            )
            while not asked.done():
                _hold_the_thread(0.01)
                await asyncio.sleep(0)
            took = await one.metric("vllm:e2e_request_latency_seconds_sum")
            late = await one.metric("simulator:step_lag_seconds_bucket", le="0.001")
            steps = await one.metric("simulator:step_lag_seconds_count")

        # 60 steps of 1 ms and a little more, however long they really took.
        assert 0.06 <= took < 0.062
        assert late < steps / 2

    run(test())


def _hold_the_thread(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        json.dumps(ASKED)


def test_a_forgotten_prefix_is_computed_again_but_not_while_it_is_in_use() -> None:
    async def test() -> None:
        long = {**ASKED, "prompt": "word " * 100, "max_tokens": 1}
        async with client() as one:
            await one.post(COMPLETION, long)
            assert (await one.post("/reset_prefix_cache", b"")).status == 200
            again = (await one.post(COMPLETION, long)).body
            async with await one.begun({**long, "max_tokens": 200, "ignore_eos": True}):
                assert (await one.post("/reset_prefix_cache", b"")).status == 409

        assert again["usage"]["prompt_tokens_details"]["cached_tokens"] == 0

    run(test())


def test_faults_come_and_go() -> None:
    async def hangs(one: Client) -> bool:
        try:
            await asyncio.wait_for(one.get("/health"), 0.2)
        except TimeoutError:
            return True
        return False

    async def test() -> None:
        async with client() as one:
            await one.post("/fault", {"mode": "error"})
            broken = await one.post(CHAT, SAID)
            assert (broken.status, broken.body["error"]["type"]) == (500, "InternalServerError")
            assert (await one.get("/health")).status == 200
            await one.post("/fault", {"mode": "hang"})
            assert await hangs(one)
            assert (await one.post("/fault", {"mode": "smoke"})).status == 400
            await one.post("/fault", {"mode": "none"})
            assert not await hangs(one)
            assert (await one.post(CHAT, SAID)).status == 200

    run(test())


@pytest.mark.parametrize("path", ["/fault", "/reset_prefix_cache"])
def test_what_no_user_may_call_is_not_there(path: str) -> None:
    async def test() -> None:
        async with client(environment={}) as one:
            assert (await one.post(path, {"mode": "hang"})).status == 404
            assert "x-inference-pod" not in (await one.get("/health")).headers

    run(test())


def test_while_it_closes_it_takes_no_more_requests() -> None:
    async def test() -> None:
        async with client() as one:
            one.server.closing = True
            refused = await one.post(CHAT, SAID)
            assert (refused.status, refused.body["error"]["code"]) == (503, 503)
            assert (await one.get("/health")).status == 503

    run(test())
