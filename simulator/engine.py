"""Who computes what in a step: vLLM V1's scheduler, first come, first served.

Pure: a step is `start`ed and `finish`ed by whoever knows how long it takes.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from simulator.blocks import BlockCache


@dataclass(slots=True, eq=False, kw_only=True)
class Request:
    prompt: int
    """Tokens."""
    output: int
    """Tokens that it produces before it ends, at least one."""
    hashes: Sequence[int] = ()
    """Of the full blocks of its prompt and output."""
    produced: int = 0
    computed: int = 0
    """Tokens whose keys and values are in its blocks, once the step under way is over."""
    scheduled: int = 0
    """Of these, the tokens that the step under way computes."""
    blocks: list[int] = field(default_factory=list[int])
    cached: int | None = None
    """Prompt tokens found in the cache when it first ran."""

    @property
    def known(self) -> int:
        """Tokens there are to compute so far."""
        return self.prompt + self.produced

    @property
    def finished(self) -> bool:
        return self.produced == self.output


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a step's duration depends on."""

    prefill_tokens: int
    sequences: int
    """That produce their next token from the last one."""
    context_tokens: int
    """That these sequences attend to, together."""


class Engine:
    """Any one request must fit into the cache when it is alone there."""

    def __init__(
        self,
        cache: BlockCache,
        *,
        block_size: int,
        max_num_seqs: int,
        max_num_batched_tokens: int,
    ) -> None:
        self.cache = cache
        self.preemptions = 0
        self.prefix_queries = 0
        self.prefix_hits = 0
        self.waiting: deque[Request] = deque()
        self.running: list[Request] = []
        self._block_size = block_size
        self._max_num_seqs = max_num_seqs
        self._max_num_batched_tokens = max_num_batched_tokens

    @property
    def busy(self) -> bool:
        return bool(self.running or self.waiting)

    def add(self, request: Request) -> None:
        self.waiting.append(request)

    def abort(self, request: Request) -> None:
        """Whoever asked is gone; no matter whether it has ended, or is in the step under way."""
        if request in self.running:
            self.running.remove(request)
            self._free(request)
        elif request in self.waiting:
            self.waiting.remove(request)

    def start(self) -> Batch:
        """Begin a step: those who run go on, then others come in, while there is budget."""
        preemptions, budget = self.preemptions, self._max_num_batched_tokens
        at = 0
        while at < len(self.running) and budget:
            budget -= self._go_on(self.running[at], budget)
            at += 1
        while (
            self.waiting
            and budget
            and len(self.running) < self._max_num_seqs
            and preemptions == self.preemptions
            and (taken := self._come_in(self.waiting[0], budget))
        ):
            budget -= taken
            self.running.append(self.waiting.popleft())
        return self._batch()

    def finish(self) -> list[Request]:
        """End the step: those who got a token. Who has all of its own leaves."""
        served = [one for one in self.running if one.scheduled and one.computed == one.known]
        for request in self.running:
            request.scheduled = 0
        for request in served:
            request.produced += 1
            if request.finished:
                self._free(request)
        self.running = [one for one in self.running if not one.finished]
        return served

    def _go_on(self, request: Request, budget: int) -> int:
        tokens = min(request.known - request.computed, budget)
        while (more := self.cache.take((), self._missing(request, tokens))) is None:
            # The latest gives way, which may be the one that asks.
            last = self.running.pop()
            self._free(last)
            self.waiting.appendleft(last)
            self.preemptions += 1
            if last is request:
                return 0
        request.blocks += more
        self._compute(request, tokens)
        return tokens

    def _come_in(self, request: Request, budget: int) -> int:
        """Tokens to compute, 0 if there is no room."""
        # The last token is always computed: its output is the next one.
        known = self.cache.find(request.hashes[: (request.known - 1) // self._block_size])
        found = len(known) * self._block_size
        tokens = min(request.known - found, budget)
        blocks = self.cache.take(known, self._spanned(found + tokens) - len(known))
        if blocks is None:
            return 0
        if request.cached is None:
            request.cached = found
            self.prefix_queries += request.prompt
            self.prefix_hits += found
        request.blocks, request.computed = blocks, found
        self._compute(request, tokens)
        return tokens

    def _compute(self, request: Request, tokens: int) -> None:
        full = request.computed // self._block_size
        request.computed += tokens
        request.scheduled = tokens
        for at in range(full, request.computed // self._block_size):
            self.cache.seal(request.blocks[at], request.hashes[at])

    def _free(self, request: Request) -> None:
        self.cache.release(request.blocks)
        request.blocks, request.computed = [], 0

    def _missing(self, request: Request, tokens: int) -> int:
        return self._spanned(request.computed + tokens) - len(request.blocks)

    def _spanned(self, tokens: int) -> int:
        return -(-tokens // self._block_size)

    def _batch(self) -> Batch:
        decodes = [one for one in self.running if one.scheduled == 1 and one.produced]
        return Batch(
            prefill_tokens=sum(one.scheduled for one in self.running) - len(decodes),
            sequences=len(decodes),
            context_tokens=sum(one.computed for one in decodes),
        )
