"""A server from its beginning to its end."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from simulator import api
from simulator.blocks import BlockCache
from simulator.engine import Engine
from simulator.metrics import Metrics
from simulator.options import Options
from simulator.server import Server

LAST_BYTES_SECONDS = 0.5
"""For answers that have ended, to reach their clients."""


class AccessLog(AbstractAccessLogger):
    """A line for each question that was answered: its id, and how. Not for what asks all the time,
    probes and scrapes.
    """

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        if request.method == "POST":
            asked = response.headers.get("X-Request-Id", "-")
            line = f"{request.path} {asked} {response.status} {time:.3f} s"
            print(line, flush=True)  # noqa: T201 - a container's log


async def serve(options: Options) -> None:
    """Until SIGTERM or SIGINT; then no new requests, and what runs may end in time."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with listening(options) as (server, url):
        print(f"{options.models[0]} on {url}", flush=True)  # noqa: T201 - who started it waits
        await told.wait()
        server.closing = True
        # A second signal does not wait any longer.
        told.clear()
        waits = [asyncio.ensure_future(one.wait()) for one in (server.idle, told)]
        _, pending = await asyncio.wait(
            waits, timeout=options.shutdown_timeout, return_when=asyncio.FIRST_COMPLETED
        )
        for wait in pending:
            wait.cancel()


@asynccontextmanager
async def listening(options: Options) -> AsyncGenerator[tuple[Server, str], None]:
    """The server, and its URL."""
    cache = BlockCache(options.blocks, caching=options.caching)
    engine = Engine(
        cache,
        block_size=options.block_size,
        max_num_seqs=options.max_num_seqs,
        max_num_batched_tokens=options.max_num_batched_tokens,
    )
    metrics = Metrics(
        model=options.models[0],
        block_size=options.block_size,
        blocks=options.blocks,
        caching=options.caching,
    )
    server = Server(engine, options.device, metrics, asyncio.get_running_loop().time)
    runner = web.AppRunner(
        api.application(server, options),
        access_log_class=AccessLog,
        handler_cancellation=True,  # a client that goes away frees its slot
        shutdown_timeout=LAST_BYTES_SECONDS,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, options.host, options.port)
        await site.start()
        async with asyncio.TaskGroup() as group:
            steps = group.create_task(server.run())
            yield server, f"http://{options.host}:{runner.addresses[0][1]}"
            steps.cancel()
    finally:
        await runner.cleanup()
