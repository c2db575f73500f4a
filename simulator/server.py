"""The engine in time: a step ends when the device would have ended it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from simulator.device import Device
from simulator.engine import Engine, Request
from simulator.metrics import Metrics, Now


@dataclass(slots=True, kw_only=True)
class _Ticket:
    """Somebody waits for a request's tokens."""

    reason: str
    """`stop` or `length`: how it will end."""
    every: int | None
    """Tokens between two pieces of news; None: only the end is news."""
    arrived: float
    first: float = 0.0
    latest: float = 0.0
    news: asyncio.Queue[int] = field(default_factory=asyncio.Queue[int])


class Server:
    """Runs steps while there are requests.

    A step begins at the moment the one before should have ended, not when this process came round
    to noticing: the device is no slower on a busy machine. `simulator:step_lag_seconds` tells how
    late the process was.
    """

    def __init__(
        self, engine: Engine, device: Device, metrics: Metrics, clock: Callable[[], float]
    ) -> None:
        self.engine = engine
        self.metrics = metrics
        self.closing = False
        """Takes no more requests."""
        self.idle = asyncio.Event()
        """Nobody waits for anything."""
        self.idle.set()
        self._device = device
        self._clock = clock
        self._tickets: dict[Request, _Ticket] = {}
        self._wanted = asyncio.Event()

    async def run(self) -> None:
        """For ever."""
        begins = self._clock()
        while True:
            if not self.engine.busy:
                self._wanted.clear()
                await self._wanted.wait()
                begins = min((one.arrived for one in self._tickets.values()), default=begins)
            ends = begins + self._device.seconds(self.engine.start())
            await asyncio.sleep(ends - self._clock())
            self.metrics.lag.observe(self._clock() - ends)
            for request in self.engine.finish():
                # Gone between two steps: the engine forgot it with its ticket.
                self._tell(request, self._tickets[request], ends)
            begins = ends

    async def tokens(
        self, request: Request, *, reason: str, every: int | None
    ) -> AsyncGenerator[int, None]:
        """How many it has so far, from time to time and at the end. Closing it early aborts."""
        self._tickets[request] = ticket = _Ticket(reason=reason, every=every, arrived=self._clock())
        self.idle.clear()
        self.engine.add(request)
        self._wanted.set()
        try:
            while (produced := await ticket.news.get()) < request.output:
                yield produced
            yield produced
        finally:
            if self._tickets.pop(request, None):
                self.engine.abort(request)
                self.metrics.finished["abort"] += 1
                self._leave()

    def now(self) -> Now:
        engine = self.engine
        return Now(
            running=len(engine.running),
            waiting=len(engine.waiting),
            usage=engine.cache.usage,
            queries=engine.prefix_queries,
            hits=engine.prefix_hits,
            preemptions=engine.preemptions,
        )

    def _tell(self, request: Request, ticket: _Ticket, when: float) -> None:
        metrics, every = self.metrics, ticket.every
        metrics.generation_tokens += 1
        if request.produced == 1:
            metrics.prompt_tokens += request.prompt
            metrics.first_token.observe(when - ticket.arrived)
            ticket.first = when
        else:
            metrics.inter_token.observe(when - ticket.latest)
        ticket.latest = when
        if request.finished:
            self._end(request, ticket)
        if request.finished or (every and (request.produced - 1) % every == 0):
            ticket.news.put_nowait(request.produced)

    def _end(self, request: Request, ticket: _Ticket) -> None:
        metrics = self.metrics
        metrics.finished[ticket.reason] += 1
        metrics.request.observe(ticket.latest - ticket.arrived)
        if request.output > 1:
            metrics.per_token.observe((ticket.latest - ticket.first) / (request.output - 1))
        del self._tickets[request]
        self._leave()

    def _leave(self) -> None:
        if not self._tickets:
            self.idle.set()
