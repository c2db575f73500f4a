"""vLLM's HTTP API, as far as the endpoint picker, its clients and the tests use it."""

import asyncio
import json
import resource
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import web

from simulator import asks, tokens
from simulator.asks import Ask, RefusedError
from simulator.engine import Request
from simulator.metrics import Process
from simulator.options import Options
from simulator.replies import Reply
from simulator.server import Server

STARTED = time.time()
STATM = Path("/proc/self/statm")
"""Its second figure is pages of memory that the process has."""
FAULTS = ("none", "hang", "error")

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def process() -> Process:
    pages = int(STATM.read_text().split()[1]) if STATM.exists() else 0
    return Process(
        started=STARTED,
        cpu_seconds=time.process_time(),
        resident_bytes=pages * resource.getpagesize(),
    )


def application(server: Server, options: Options) -> web.Application:
    api = _Api(server, options)
    # A prompt is as long as the model's context allows, whatever its bytes.
    app = web.Application(middlewares=[api.frame], client_max_size=0)
    app.add_routes(
        [
            web.get("/health", api.health),
            web.get("/metrics", api.metrics),
            web.get("/v1/models", api.models),
            web.post("/v1/chat/completions", api.chat),
            web.post("/v1/completions", api.completion),
        ]
    )
    if options.developing:
        app.add_routes(
            [
                web.post("/reset_prefix_cache", api.reset_prefix_cache),
                web.post("/fault", api.set_fault),
            ]
        )
    return app


@dataclass(frozen=True, kw_only=True)
class _Answer:
    text: str
    reason: str
    """Why it ends."""
    produced: str
    """The text with the stop string that ended it."""

    @property
    def length(self) -> int:
        """Tokens."""
        return tokens.count(self.produced)


class _Api:
    def __init__(self, server: Server, options: Options) -> None:
        self._server = server
        self._options = options
        self._started = int(time.time())
        self._fault = "none"
        self._headers = {"x-inference-pod": options.pod} if options.pod else {}

    @web.middleware
    async def frame(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """What all answers have in common: headers, errors in the API's format, faults."""
        if self._fault == "hang" and request.path != "/fault":
            await asyncio.Event().wait()
        try:
            response = await handler(request)
        except RefusedError as error:
            response = web.json_response(error.body, status=error.status)
        except web.HTTPException as error:
            # No such path or method: in FastAPI's words.
            response = web.json_response({"detail": error.reason}, status=error.status)
        if not response.prepared:
            response.headers.update(self._common(request))
        known = request.match_info.http_exception is None
        self._server.metrics.answers[
            request.path if known else "none", request.method, f"{response.status // 100}xx"
        ] += 1
        return response

    async def health(self, _: web.Request) -> web.Response:
        closing = self._server.closing
        return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE if closing else HTTPStatus.OK)

    async def metrics(self, _: web.Request) -> web.Response:
        text = self._server.metrics.text(self._server.now(), process())
        return web.Response(
            body=text.encode(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def models(self, _: web.Request) -> web.Response:
        data = [
            {
                "id": name,
                "object": "model",
                "created": self._started,
                "owned_by": "vllm",
                "root": self._options.models[0],
                "parent": None,
                "max_model_len": self._options.max_model_len,
            }
            for name in self._options.models
        ]
        return web.json_response({"object": "list", "data": data})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        return await self._complete(request, chat=True)

    async def completion(self, request: web.Request) -> web.StreamResponse:
        return await self._complete(request, chat=False)

    async def reset_prefix_cache(self, _: web.Request) -> web.Response:
        if not self._server.engine.cache.reset():
            raise RefusedError(HTTPStatus.CONFLICT, "requests are running; wait until they end")
        return web.Response()

    async def set_fault(self, request: web.Request) -> web.Response:
        """Every later request hangs (even `/health`), or every completion is an error."""
        try:
            mode = json.loads(await request.read())["mode"]
        except (ValueError, KeyError, TypeError):
            mode = None
        if mode not in FAULTS:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"mode must be one of {FAULTS}", "mode")
        self._fault = mode
        return web.Response()

    async def _complete(self, request: web.Request, *, chat: bool) -> web.StreamResponse:
        if self._server.closing:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "The server is shutting down.")
        if self._fault == "error":
            raise RefusedError(HTTPStatus.INTERNAL_SERVER_ERROR, "The fault that was asked for.")
        options = self._options
        ask = asks.read(
            await request.read(),
            chat=chat,
            models=options.models,
            max_model_len=options.max_model_len,
        )
        answer = _answer(ask, options.seed)
        identity = request.headers.get("X-Request-Id") or uuid4().hex
        reply = Reply(
            chat=chat,
            identity=f"{'chatcmpl' if chat else 'cmpl'}-{identity}",
            created=int(time.time()),
            model=ask.model,
            prompt_tokens=tokens.count(ask.prompt),
        )
        work = Request(
            prompt=reply.prompt_tokens,
            output=answer.length,
            hashes=tokens.hashes(ask.prompt, answer.produced, options.block_size),
        )
        if ask.stream:
            return await self._stream(request, ask, reply, work, answer)
        async with aclosing(self._server.tokens(work, reason=answer.reason, every=None)) as news:
            async for _ in news:
                pass
        return web.json_response(
            reply.whole(answer.text, answer.reason, answer.length, work.cached or 0)
        )

    async def _stream(
        self, request: web.Request, ask: Ask, reply: Reply, work: Request, answer: _Answer
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream; charset=utf-8", **self._common(request)}
        )
        text, reason, every = answer.text, answer.reason, self._options.stream_interval
        sent = 0
        async with aclosing(self._server.tokens(work, reason=reason, every=every)) as news:
            async for produced in news:
                if not sent:
                    await response.prepare(request)
                last = produced == work.output
                end = len(text) if last else produced * tokens.WIDTH
                piece = reply.piece(text[sent:end], reason if last else None, first=not sent)
                await response.write(
                    _event(piece)
                    if not last
                    else b"".join((_event(piece), *self._closing(ask, reply, work)))
                )
                sent = end
        await response.write_eof()
        return response

    def _closing(self, ask: Ask, reply: Reply, work: Request) -> list[bytes]:
        summary = [_event(reply.summary(work.output, work.cached or 0))] * ask.include_usage
        return [*summary, b"data: [DONE]\n\n"]

    def _common(self, request: web.Request) -> dict[str, str]:
        identity = request.headers.get("X-Request-Id")
        return {**self._headers, **({"X-Request-Id": identity} if identity else {})}


def _answer(ask: Ask, seed: int) -> _Answer:
    text, ended = tokens.answer(
        ask.prompt,
        seed=seed if ask.seed is None else ask.seed,
        limit=ask.limit,
        at_least=ask.at_least,
        ignore_eos=ask.ignore_eos,
    )
    if stopped := tokens.stopped(text, ask.stops, ask.at_least):
        kept, length = stopped
        return _Answer(text=kept, reason="stop", produced=text[: length * tokens.WIDTH])
    return _Answer(text=text, reason="stop" if ended else "length", produced=text)


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"
