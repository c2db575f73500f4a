"""What a request's body asks for, or why it is refused: status and words as vLLM has them."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar, cast

from simulator import tokens

T = TypeVar("T")
D = TypeVar("D")

NAMES: Mapping[type[Any], str] = {
    str: "string",
    int: "integer",
    bool: "boolean",
    dict: "dictionary",
}


class RefusedError(Exception):
    """Carries `status`, and `body` in the API's own format."""

    def __init__(self, status: HTTPStatus, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        kind = status.phrase.title().replace(" ", "").removesuffix("Error")
        self.body = {
            "error": {
                "message": message,
                "type": f"{kind}Error",
                "param": param,
                "code": status.value,
            }
        }


@dataclass(frozen=True, kw_only=True)
class Ask:
    model: str
    prompt: str
    limit: int
    """Tokens of the answer at most."""
    at_least: int
    """Tokens before it may end by itself or at a stop string."""
    ignore_eos: bool
    seed: int | None
    stops: tuple[str, ...]
    stream: bool
    include_usage: bool


def read(body: bytes, *, chat: bool, models: Collection[str], max_model_len: int) -> Ask:
    """Sampling parameters are taken and have no effect: there is no model to sample from."""
    data = _json(body)
    prompt = tokens.chat(_messages(data)) if chat else _prompt(data)
    options = cast("Mapping[str, Any]", _field(data, "stream_options", dict, None) or {})
    model = _field(data, "model", str, next(iter(models)))
    if _field(data, "n", int, 1) != 1:
        raise _bad("n", "only one answer to a prompt is simulated")
    if model not in models:
        raise RefusedError(HTTPStatus.NOT_FOUND, f"The model `{model}` does not exist.", "model")
    limit = _limit(data, tokens.count(prompt), max_model_len)
    at_least = _field(data, "min_tokens", int, 0)
    if not 0 <= at_least <= limit:
        raise _bad(
            "min_tokens", f"min_tokens must be from 0 to max_tokens={limit}, got {at_least}."
        )
    return Ask(
        model=model,
        prompt=prompt,
        limit=limit,
        at_least=at_least,
        ignore_eos=_field(data, "ignore_eos", bool, default=False),
        seed=_field(data, "seed", int, None),
        stops=_stops(data),
        stream=_field(data, "stream", bool, default=False),
        include_usage=_field(options, "include_usage", bool, default=False),
    )


def _json(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except ValueError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"JSON decode error: {error}") from None
    if not isinstance(data, dict):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "Input should be a valid dictionary")
    return cast("dict[str, Any]", data)


def _limit(data: Mapping[str, Any], prompt: int, longest: int) -> int:
    """Tokens that the answer may have."""
    if prompt >= longest:
        raise _bad(
            "input_tokens",
            f"This model's maximum context length is {longest} tokens. However, your request has "
            f"{prompt} input tokens. Please reduce the length of the input messages.",
        )
    room = longest - prompt
    name = "max_tokens" if data.get("max_completion_tokens") is None else "max_completion_tokens"
    limit = _field(data, name, int, room)
    if limit < 1:
        raise _bad(name, f"{name} must be at least 1, got {limit}.")
    if limit > room:
        raise _bad(
            name,
            f"'max_tokens' or 'max_completion_tokens' is too large: {limit}. This model's maximum "
            f"context length is {longest} tokens and your request has {prompt} input tokens "
            f"({limit} > {longest} - {prompt}).",
        )
    return limit


def _prompt(data: Mapping[str, Any]) -> str:
    prompt = data.get("prompt")
    if not prompt:
        raise _bad("prompt", "Either prompt or prompt_embeds must be provided and non-empty.")
    prompts = _list(prompt) or [prompt]
    if len(prompts) != 1 or not isinstance(prompts[0], str):
        raise _bad("prompt", "only one prompt, as text, is simulated")
    return prompts[0]


def _messages(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    if (messages := _list(data.get("messages"))) is None:
        raise _bad("messages", "Field required: a list of messages")
    if not messages:
        raise _bad("messages", "List should have at least 1 item")
    return [_message(one) for one in messages]


def _message(message: Any) -> tuple[str, str]:
    if not isinstance(message, dict):
        raise _bad("messages", "Input should be a valid dictionary")
    said = cast("dict[str, Any]", message)
    role, content = said.get("role"), said.get("content")
    if not isinstance(role, str):
        raise _bad("messages.role", "Input should be a valid string")
    parts = _list(content)
    return role, "".join(map(_part, [{"text": content or ""}] if parts is None else parts))


def _part(part: Any) -> str:
    text = cast("dict[str, Any]", part).get("text") if isinstance(part, dict) else None
    if not isinstance(text, str):
        raise _bad("messages.content", "only text is simulated")
    return text


def _stops(data: Mapping[str, Any]) -> tuple[str, ...]:
    stop = data.get("stop")
    stops = [] if not stop else [stop] if isinstance(stop, str) else _list(stop)
    if stops is None or not all(isinstance(one, str) and one for one in stops):
        raise _bad("stop", "Input should be a valid string or a list of them, none empty")
    return tuple(stops)


def _list(value: Any) -> list[Any] | None:
    return cast("list[Any]", value) if isinstance(value, list) else None


def _bad(param: str, message: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, message, param)


def _field(data: Mapping[str, Any], name: str, kind: type[T], default: D) -> T | D:
    """`null` counts as left out, as it does for vLLM."""
    value = data.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _bad(name, f"Input should be a valid {NAMES[kind]}")
    return value
