"""A gateway on loopback misbehaves in each way that is known; the hop and the way out are named."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from smoke import answers
from smoke.findings import Failed, Found, Hop, Passed
from smoke.trouble import api_error
from smoke.web import Answer, Outcome, Web
from tests.smoke.deployed import DECODE, KUBECTL, MODEL, NAME, PICKER, STACK
from tests.smoke.servers import (
    Behaviour,
    Reply,
    as_json,
    error,
    events,
    free_port,
    hanging_up,
    model,
    serving,
)

SECONDS = 0.3
PICKER_LOGS = f"{KUBECTL} logs deployment/{PICKER} --all-containers --tail=50"
SERVER_LOGS = f"{KUBECTL} logs deployment/{DECODE} --all-containers --tail=50"
GATEWAY = f"{KUBECTL} get service,endpoints {PICKER}"
ROUTES = f"{KUBECTL} get gateways,httproutes -o yaml"
PODS = f"{KUBECTL} get pods --show-labels -o wide"
CHUNK = json.dumps({"choices": [{"delta": {"content": "Hi"}}]})
HTML = Reply(404, b"<html>404 Not Found</html>", {"Server": "nginx", "Content-Type": "text/html"})


def talk(behave: Behaviour, *, stream: bool = False) -> Outcome:
    with serving(behave) as server:
        body = answers.chat(NAME, stream=stream)
        return Web().ask(f"{server.url}/v1/chat/completions", body, seconds=SECONDS)


def always(reply: Reply) -> Behaviour:
    return lambda _: reply


def chat(reply: Reply) -> Found:
    return answers.answered(STACK, MODEL, talk(always(reply)))


def stream(reply: Reply) -> Found:
    return answers.streamed(STACK, MODEL, talk(always(reply), stream=True))


def long(reply: Reply) -> Found:
    return answers.long_taken(STACK, MODEL, talk(always(reply)))


def nobody(reply: Reply) -> Found:
    return answers.refused(STACK, MODEL, talk(always(reply)))


def listed(reply: Reply) -> Found:
    return answers.listed(STACK, MODEL, talk(always(reply)))


def reachable(url: str) -> Found:
    outcome = Web().ask(f"{url}/health", seconds=SECONDS)
    return answers.reachable(STACK, MODEL, outcome, url)


def failed(found: Found) -> Failed:
    assert isinstance(found, Failed), found
    return found


def test_a_model_that_answers_passes_and_the_pod_is_named() -> None:
    assert answers.answered(STACK, MODEL, talk(model)) == Passed("3 tokens from pod decode-1")
    assert answers.streamed(STACK, MODEL, talk(model, stream=True)) == Passed("2 chunks and [DONE]")
    assert answers.long_taken(STACK, MODEL, talk(model)) == Passed("64 KiB are answered")


def test_thoughts_are_content_too() -> None:
    message = {"content": None, "reasoning_content": "Hm."}
    reply = as_json({"choices": [{"message": message}], "usage": {"completion_tokens": 2}})

    assert chat(reply) == Passed("2 tokens")


def test_nobody_listening_is_the_gateways_fault() -> None:
    found = failed(reachable(f"http://127.0.0.1:{free_port()}"))

    assert found.hop is Hop.GATEWAY
    assert found.seen.startswith("connection refused: http://127.0.0.1:")
    assert found.cause == "nothing listens there: the gateway is not running"
    assert found.next == GATEWAY


def test_an_unknown_name_is_the_clients() -> None:
    found = failed(reachable("http://gateway.invalid"))

    assert (found.hop, found.next) == (Hop.CLIENT, GATEWAY)
    assert "no DNS record" in found.cause


def test_a_connection_that_is_closed_at_once_is_the_gateways() -> None:
    with hanging_up() as url:
        found = failed(reachable(url))

    assert (found.hop, found.next) == (Hop.GATEWAY, PICKER_LOGS)
    assert "hung up" in found.cause


def test_plain_http_where_tls_is_asked_for_is_told() -> None:
    with serving(model) as server:
        found = failed(reachable(server.url.replace("http:", "https:")))

    assert (found.hop, found.next) == (Hop.GATEWAY, ROUTES)
    assert "speaks no TLS" in found.cause


def test_a_server_that_hangs_is_told_after_the_time_it_had() -> None:
    found = failed(chat(Reply(hang=True)))

    assert (found.hop, found.next) == (Hop.SERVER, SERVER_LOGS)
    assert f"within {SECONDS:g} s" in found.seen
    assert "hangs" in found.cause


@pytest.mark.parametrize(
    ("reply", "hop", "cause", "command"),
    [
        (Reply(503, b"no healthy upstream"), Hop.PICKER, "fails closed", GATEWAY),
        (Reply(500), Hop.PICKER, "no answer from it over ext_proc", PICKER_LOGS),
        (
            Reply(503, b"inference gateway: ServiceUnavailable - failed to find candidate pods"),
            Hop.POOL,
            "sees no ready pod",
            PODS,
        ),
        (
            Reply(500, b"inference gateway: Internal - no pods available in datastore"),
            Hop.POOL,
            "sees no ready pod",
            PODS,
        ),
        (
            Reply(400, b"inference gateway: BadRequest - model not found in request body"),
            Hop.PICKER,
            "turned the request down",
            PICKER_LOGS,
        ),
        (Reply(429, b"inference gateway: x"), Hop.PICKER, "sheds load", PICKER_LOGS),
        (
            Reply(503, b"upstream connect error or disconnect/reset before headers."),
            Hop.SERVER,
            "nothing listens on the pool's target port",
            PODS,
        ),
        (
            Reply(503, b"upstream connect error or disconnect/reset before headers: overflow"),
            Hop.GATEWAY,
            "circuit breaker",
            ROUTES,
        ),
        (Reply(504, b"upstream request timeout"), Hop.GATEWAY, "timeout is shorter", ROUTES),
        (Reply(502, b"Bad Gateway"), Hop.GATEWAY, "cannot pass the request on", PICKER_LOGS),
        (HTML, Hop.GATEWAY, "no route for this path", ROUTES),
        (Reply(200, b"<html>It works!</html>"), Hop.GATEWAY, "something other", ROUTES),
        (error(404, "no such model"), Hop.SERVER, f"`{NAME}`: no such model", SERVER_LOGS),
        (error(500, "CUDA is gone"), Hop.SERVER, "it says: CUDA is gone", SERVER_LOGS),
        (Reply(401), Hop.GATEWAY, "LLMD_API_KEY", "LLMD_API_KEY=… make smoke STACK=mine"),
        (as_json({"choices": []}), Hop.SERVER, "no content", SERVER_LOGS),
        (
            as_json({"choices": [{"message": {"content": "Hi"}}]}),
            Hop.SERVER,
            "no usage",
            SERVER_LOGS,
        ),
        (
            Reply(200, b'{"choices": [{"mess', cut=True),
            Hop.SERVER,
            "while it answered",
            SERVER_LOGS,
        ),
    ],
    ids=lambda value: value.body.decode()[:30] if isinstance(value, Reply) else "",
)
def test_each_wrong_answer_names_its_hop_its_cause_and_the_next_command(
    reply: Reply, hop: Hop, cause: str, command: str
) -> None:
    found = failed(chat(reply))

    assert found.hop is hop
    assert cause in found.cause
    assert found.next == command
    assert found.seen.startswith(f"HTTP {reply.status} with ")


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (events(CHUNK, CHUNK, "[DONE]", cut=True), "breaks off"),
        (events(CHUNK, CHUNK), "breaks off"),
        (Reply(chunks=[b"data: {}\n\n"] * 3, hang=True), "breaks off"),
        (events(CHUNK, "[DONE]"), "collects the chunks"),
        (as_json({"choices": []}), "no effect"),
        (events(CHUNK, '{"error": {"message": "out of blocks"}}', "[DONE]"), "out of blocks"),
    ],
)
def test_a_stream_that_is_none_or_breaks_off_is_the_model_servers(reply: Reply, cause: str) -> None:
    found = failed(stream(reply))

    assert cause in found.cause
    assert (found.hop, found.next) == (Hop.SERVER, SERVER_LOGS)


def test_a_stream_through_a_broken_gateway_is_the_gateways() -> None:
    found = failed(stream(Reply(503, b"no healthy upstream")))

    assert (found.hop, found.next) == (Hop.PICKER, GATEWAY)


@pytest.mark.parametrize(
    ("reply", "hop", "cause", "command"),
    [
        (Reply(413, b"Payload Too Large"), Hop.GATEWAY, "buffer for request bodies", ROUTES),
        (Reply(500), Hop.PICKER, "does not get through ext_proc", PICKER_LOGS),
        (Reply(502, b"Bad Gateway"), Hop.SERVER, "loses its connection", SERVER_LOGS),
        (Reply(400, b"inference gateway: x"), Hop.PICKER, "turned the request down", PICKER_LOGS),
        (Reply(400, b"Bad Request"), Hop.GATEWAY, "something other than the models", ROUTES),
    ],
)
def test_a_long_prompt_that_gets_lost_names_the_buffer_it_did_not_fit(
    reply: Reply, hop: Hop, cause: str, command: str
) -> None:
    found = failed(long(reply))

    assert (found.hop, found.next) == (hop, command)
    assert cause in found.cause


def test_a_long_prompt_may_be_refused_by_the_model_itself() -> None:
    said = "This model's maximum context length is 2048 tokens."

    assert long(error(400, said)) == Passed(f"64 KiB reach the model server, which says: {said}")


def test_a_long_prompt_is_64_kib_in_a_body_that_says_so() -> None:
    with serving(model) as server:
        body = answers.chat(NAME, answers.long_prompt(), max_tokens=1)
        Web().ask(f"{server.url}/v1/chat/completions", body, seconds=SECONDS)

    (asked,) = server.asked
    assert int(asked.headers["content-length"]) > 64 * 1024
    assert len(asked.body["messages"][0]["content"]) >= 64 * 1024
    assert asked.body["max_tokens"] == 1


def test_a_wrong_model_name_has_to_be_refused_in_the_apis_format() -> None:
    assert nobody(error(404, "no such model")) == Passed("HTTP 404: no such model")
    older = as_json({"object": "error", "message": "no such model", "code": 404}, 404)
    assert nobody(older) == Passed("HTTP 404: no such model")

    answered = failed(nobody(as_json({"choices": [{"message": {"content": "Hi"}}]})))
    assert (answered.hop, answered.next) == (Hop.SERVER, SERVER_LOGS)
    assert "let any name pass" in answered.cause

    routed = failed(nobody(HTML))
    assert (routed.hop, routed.next) == (Hop.GATEWAY, ROUTES)


def test_a_gateway_that_routes_by_model_may_refuse_a_wrong_name_in_its_own_words() -> None:
    several = replace(STACK, models=(MODEL, replace(MODEL, name="other")))

    found = answers.refused(several, MODEL, talk(always(Reply(404, b""))))

    assert found == Passed("HTTP 404: the gateway has no route for it")
    assert failed(answers.refused(several, MODEL, talk(always(Reply(503, b""))))).hop is Hop.GATEWAY


def test_a_list_without_the_model_is_the_model_servers() -> None:
    found = failed(listed(as_json({"data": [{"id": "other"}]})))

    assert found.hop is Hop.SERVER
    assert found.seen == "a list of other"
    assert "--served-model-name" in found.cause
    assert found.next == f"{KUBECTL} get deployment {DECODE} -o yaml"
    assert listed(as_json({"data": [{"id": NAME}]})) == Passed(f"serves {NAME}")
    assert failed(listed(Reply(200, b"<html>"))).hop is Hop.GATEWAY


def test_the_key_goes_with_every_request_and_redirects_are_not_followed() -> None:
    elsewhere = Reply(302, headers={"Location": "/elsewhere"})
    with serving(always(elsewhere)) as server:
        outcome = Web("the-key").ask(f"{server.url}/v1/models", seconds=SECONDS)

    assert [one.headers["authorization"] for one in server.asked] == ["Bearer the-key"]
    assert isinstance(outcome, Answer)
    assert outcome.status == 302


def test_a_drip_of_bytes_does_not_outlast_the_time_there_is() -> None:
    def drip() -> Iterator[bytes]:
        for _ in range(100):
            time.sleep(0.05)
            yield b"data: {}\n\n"

    outcome = talk(always(Reply(chunks=drip())))

    assert isinstance(outcome, Answer)
    assert outcome.cut.startswith(f"not at its end after {SECONDS:g} s")


@pytest.mark.parametrize("body", [b"", b"[]", b'"error"', b'{"error": "text"}', b"\xff"])
def test_what_is_no_error_of_the_api_is_taken_for_none(body: bytes) -> None:
    assert api_error(Answer(500, {}, body)) == ""
