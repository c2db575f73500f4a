"""Sends each request at its moment, whatever has been answered, and notes when answers come."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.routing.parameters import MODEL
from bench.routing.requests import Request

SECONDS = 60.0
"""For an answer; one that takes longer is an error."""
EVENT = b"data: "


@dataclass(frozen=True, kw_only=True)
class Answer:
    """All moments in seconds, on the clock of `Request.at`."""

    stage: int
    planned: float
    sent: float
    first: float
    """First token."""
    last: float
    tokens: int
    """Of the answer."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    stage: int
    planned: float
    sent: float
    why: str


async def send(
    url: str, requests: Sequence[Request], *, output_tokens: int
) -> list[Answer | Failure]:
    """Send all, and wait for the end of every answer."""
    # aiohttp's own limit of 100 connections would make late senders wait for early answers.
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        begin = asyncio.get_running_loop().time()
        return await asyncio.gather(
            *(_one(session, url, request, output_tokens, begin) for request in requests)
        )


async def _one(
    session: aiohttp.ClientSession, url: str, request: Request, output_tokens: int, begin: float
) -> Answer | Failure:
    clock = asyncio.get_running_loop().time
    await asyncio.sleep(begin + request.at - clock())
    sent = clock() - begin
    try:
        moments, tokens = await _answered(session, url, request, output_tokens)
    except (aiohttp.ClientError, TimeoutError, ValueError) as problem:
        why = str(problem) or type(problem).__name__
        return Failure(stage=request.stage, planned=request.at, sent=sent, why=why)
    if not moments or tokens != output_tokens:
        why = f"{tokens} of {output_tokens} tokens"
        return Failure(stage=request.stage, planned=request.at, sent=sent, why=why)
    return Answer(
        stage=request.stage,
        planned=request.at,
        sent=sent,
        first=moments[0] - begin,
        last=moments[-1] - begin,
        tokens=tokens,
    )


async def _answered(
    session: aiohttp.ClientSession, url: str, request: Request, output_tokens: int
) -> tuple[list[float], int]:
    """When pieces of the answer came, and how many tokens it has."""
    clock = asyncio.get_running_loop().time
    body = {
        "model": MODEL,
        "prompt": request.prompt,
        "max_tokens": output_tokens,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    moments: list[float] = []
    tokens = 0
    async with session.post(f"{url}/v1/completions", json=body, raise_for_status=True) as response:
        async for line in response.content:
            if not line.startswith(EVENT + b"{"):
                continue
            said: dict[str, Any] = json.loads(line.removeprefix(EVENT))
            if said["choices"]:
                moments.append(clock())
            if usage := said.get("usage"):
                tokens = usage["completion_tokens"]
    return moments, tokens
