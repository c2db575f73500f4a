"""`python -m simulator` as a process: its start, and how it ends."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from recording import ROOT
from served import COMPLETION, run

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "simulator", "--model=m", "--device=tiny"]


@asynccontextmanager
async def started(
    *arguments: str,
) -> AsyncGenerator[tuple[asyncio.subprocess.Process, aiohttp.ClientSession], None]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--port=0", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    try:
        said = (await process.stdout.readline()).decode()
        async with aiohttp.ClientSession(said.split(" on ")[1].strip()) as session:
            yield process, session
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def streaming(session: aiohttp.ClientSession, length: int) -> aiohttp.ClientResponse:
    ask = {"prompt": "x", "max_tokens": length, "ignore_eos": True, "stream": True}
    response = await session.post(COMPLETION, json=ask)
    await response.content.readline()
    return response


def test_what_runs_may_end_before_the_process_does() -> None:
    async def test() -> None:
        async with started() as (process, session):
            response = await streaming(session, 300)
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.05)
            async with session.get("/health") as health:
                assert health.status == 503
            assert (await response.text()).endswith("data: [DONE]\n\n")
            assert await process.wait() == 0

    run(test())


def test_what_takes_too_long_is_cut() -> None:
    async def test() -> None:
        async with started("--shutdown-timeout=0.1") as (process, session):
            response = await streaming(session, 4000)
            process.send_signal(signal.SIGTERM)
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.text()
            assert await asyncio.wait_for(process.wait(), 3) == 0

    run(test())


def test_a_port_in_use_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(  # noqa: S603 - our own command
            [*COMMAND, f"--port={port}"], cwd=ROOT, capture_output=True, text=True, check=False
        )

    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert f"127.0.0.1:{port}" in line
    assert "in use" in line
