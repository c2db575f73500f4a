"""What the models answer through the gateway: each check judges one outcome."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, TypeGuard

from plugins.values import at
from smoke.findings import Failed, Found, Hop, Passed
from smoke.outputs import Model, Stack
from smoke.trouble import Look, api_error, command, explain
from smoke.web import Answer, Lost, Outcome

POD = "x-inference-pod"
"""Header in which llm-d's simulator says who answered."""
LONG = 64 * 1024
"""Bytes: twice the 32 KiB at which the buffers of some proxies end."""
DONE = "[DONE]"
SEVERAL = 2
NOBODY = "no-such-model"


TOO_SMALL: Mapping[int, tuple[Hop, str, Look]] = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        Hop.GATEWAY,
        (
            "its buffer for request bodies is too small (Envoy Gateway: ClientTrafficPolicy "
            "bufferLimit; nginx: client_max_body_size)"
        ),
        Look.ROUTES,
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        Hop.PICKER,
        (
            "the body does not get through ext_proc from the gateway to the endpoint picker: the "
            "gateway's buffer is too small, or its request_body_mode is not FULL_DUPLEX_STREAMED"
        ),
        Look.PICKER_LOGS,
    ),
    HTTPStatus.BAD_GATEWAY: (
        Hop.SERVER,
        (
            "the gateway loses its connection over it: the buffer of what stands before "
            "the server is too small"
        ),
        Look.SERVER_LOGS,
    ),
}
"""What a proxy answers to a long prompt, when it has taken a short one."""


def chat(model: str, prompt: str = "Say hello.", **more: object) -> dict[str, object]:
    return {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": 16,
        **more,
    }


def long_prompt() -> str:
    """Many bytes in few tokens: it is buffers that are tried, not the patience of a CPU."""
    word = " international"  # one token of most vocabularies
    return word * (LONG // len(word) + 1)


def reachable(stack: Stack, model: Model, outcome: Outcome, by: str) -> Found:
    """Any answer will do; `by` says on which way it came."""
    if isinstance(outcome, Lost):
        return explain(stack, model, outcome, "an HTTP answer, whatever it is")
    return Passed(f"answers at {by}")


def listed(stack: Stack, model: Model, outcome: Outcome) -> Found:
    expected = f"HTTP 200 with `{model.name}` in its list of models"
    if not _fine(outcome):
        return explain(stack, model, outcome, expected)
    models: list[Any] | None = outcome.json.get("data")
    if models is None:
        return explain(stack, model, outcome, expected)
    names = [str(at(one, "id")) for one in models]
    if model.name in names:
        return Passed(f"serves {', '.join(names)}")
    return Failed(
        hop=Hop.SERVER,
        seen=f"a list of {', '.join(names) or 'none'}",
        expected=expected,
        cause="the pods serve another model, or another name of it (--served-model-name)",
        next=stack.kubectl("get", "deployment", model.decode, "-o", "yaml"),
    )


def answered(stack: Stack, model: Model, outcome: Outcome) -> Found:
    expected = "HTTP 200 with an answer that has content and usage"
    if not _fine(outcome):
        return explain(stack, model, outcome, expected)
    said = _content(outcome.json)
    tokens = at(outcome.json, "usage", "completion_tokens")
    if said and tokens:
        pod = outcome.headers.get(POD)
        return Passed(f"{tokens} tokens" + (f" from pod {pod}" if pod else ""))
    if not outcome.json:
        return explain(stack, model, outcome, expected)
    lacks = "usage" if said else "content"
    return _odd(stack, model, expected, f"its answer has no {lacks}", outcome.said())


def streamed(stack: Stack, model: Model, outcome: Outcome) -> Found:
    expected = "several chunks, and `[DONE]` at the end"
    if isinstance(outcome, Lost) or outcome.status != HTTPStatus.OK:
        return explain(stack, model, outcome, expected)
    events = [*_events(outcome)]
    *chunks, last = events or [""]
    if error := next((text for one in events if (text := _error(one))), ""):
        cause = f"it gave up in mid-stream: {error}"
    elif not events and not outcome.cut:
        cause = "`stream: true` has no effect: it answers in one piece"
    elif last != DONE or outcome.cut:
        cause = "the stream breaks off: the model server ended, or a proxy's timeout struck"
    elif len(chunks) < SEVERAL:
        cause = "a proxy on the way collects the chunks, or the model ended at once"
    else:
        return Passed(f"{len(chunks)} chunks and [DONE]")
    seen = f"{len(events)} events, the last is `{last[:60]}`" if events else outcome.said()
    seen += f", {outcome.cut}" if outcome.cut and events else ""
    return _odd(stack, model, expected, cause, seen)


def long_taken(stack: Stack, model: Model, outcome: Outcome) -> Found:
    """A short prompt has been answered by now: what fails here fails for its length."""
    expected = "HTTP 200, or the API's own error 400 where the model takes no prompt as long"
    if isinstance(outcome, Answer) and not outcome.cut:
        message = api_error(outcome)
        if outcome.status == HTTPStatus.OK and outcome.json.get("choices"):
            return Passed(f"{LONG // 1024} KiB are answered")
        if outcome.status == HTTPStatus.BAD_REQUEST and message:
            return Passed(f"{LONG // 1024} KiB reach the model server, which says: {message}")
        if not message and outcome.status in TOO_SMALL:
            hop, cause, look = TOO_SMALL[outcome.status]
            return Failed(
                hop=hop,
                seen=outcome.said(),
                expected=expected,
                cause=cause,
                next=command(stack, model, look),
            )
    return explain(stack, model, outcome, expected)


def refused(stack: Stack, model: Model, outcome: Outcome) -> Found:
    expected = f"a 4xx in the API's error format for the model `{NOBODY}`"
    if isinstance(outcome, Answer) and not outcome.cut:
        if outcome.status // 100 == 4 and (message := api_error(outcome)):  # noqa: PLR2004 - 4xx
            return Passed(f"HTTP {outcome.status}: {message}")
        if outcome.status == HTTPStatus.NOT_FOUND and stack.routes_by_model:
            return Passed("HTTP 404: the gateway has no route for it")
        if outcome.status == HTTPStatus.OK:
            cause = "an InferenceModelRewrite, or the server's settings, let any name pass"
            return _odd(stack, model, expected, cause, outcome.said())
    return explain(stack, model, outcome, expected)


def _fine(outcome: Outcome) -> TypeGuard[Answer]:
    return isinstance(outcome, Answer) and outcome.status == HTTPStatus.OK and not outcome.cut


def _content(said: Mapping[str, Any]) -> str:
    """A few tokens of a reasoning model may all be thoughts."""
    choices: list[Any] = said.get("choices") or [{}]
    keys = ("content", "reasoning_content", "reasoning")
    return next((text for key in keys if (text := at(choices[0], "message", key))), "")


def _events(answer: Answer) -> Iterator[str]:
    for one in answer.text.splitlines():
        if one.startswith("data:"):
            yield one.removeprefix("data:").strip()


def _error(event: str) -> str:
    return api_error(Answer(HTTPStatus.OK, {}, event.encode()))


def _odd(stack: Stack, model: Model, expected: str, cause: str, seen: str) -> Failed:
    """An answer of the model server that is not what the API promises."""
    look = command(stack, model, Look.SERVER_LOGS)
    return Failed(hop=Hop.SERVER, seen=seen, expected=expected, cause=cause, next=look)
