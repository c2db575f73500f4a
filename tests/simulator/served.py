"""A server in this process, on the quick device, and a client of it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from simulator import options, serving
from simulator.server import Server

DEVELOPING = {"VLLM_SERVER_DEV_MODE": "1", "POD_NAME": "pod-7"}
CHAT = "/v1/chat/completions"
COMPLETION = "/v1/completions"


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, kw_only=True)
class Client:
    session: aiohttp.ClientSession
    server: Server

    async def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.post(path, data=BytesIO(data), headers=headers) as response:
            return await answer(response)

    async def get(self, path: str) -> Answer:
        async with self.session.get(path) as response:
            return await answer(response)

    async def events(self, path: str, body: dict[str, Any]) -> list[Any]:
        """Of a stream, without its end mark."""
        async with self.session.post(path, json={**body, "stream": True}) as response:
            assert response.content_type == "text/event-stream"
            text = await response.text()
        *events, done, end = text.split("\n\n")
        assert (done, end) == ("data: [DONE]", "")
        return [json.loads(event.removeprefix("data: ")) for event in events]

    async def begun(self, body: dict[str, Any]) -> aiohttp.ClientResponse:
        """A stream that has got its first token."""
        response = await self.session.post(COMPLETION, json={**body, "stream": True})
        await response.content.readline()
        return response

    async def metric(self, name: str, **labels: str) -> float:
        text = (await self.get("/metrics")).body
        [value] = [
            one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
            if one.name == name and labels.items() <= one.labels.items()
        ]
        return value


async def answer(response: aiohttp.ClientResponse) -> Answer:
    text = await response.text()
    is_json = response.content_type == "application/json"
    return Answer(
        status=response.status,
        headers=response.headers,
        body=json.loads(text) if is_json else text,
    )


@asynccontextmanager
async def client(
    *arguments: str, environment: dict[str, str] | None = None
) -> AsyncGenerator[Client, None]:
    chosen = options.parse(
        ["--model", "m", "--device", "tiny", "--port", "0", *arguments],
        DEVELOPING if environment is None else environment,
    )
    async with (
        serving.listening(chosen) as (server, url),
        aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        yield Client(session=session, server=server)


def run(test: Coroutine[Any, Any, None]) -> None:
    """In ten seconds at most."""
    asyncio.run(asyncio.wait_for(test, 10))
