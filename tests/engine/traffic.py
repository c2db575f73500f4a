"""Questions at a steady rate, and what became of each: answered, lost, doubled or wrong."""

import asyncio
import json
import statistics
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp

MODEL = "Qwen/Qwen3-0.6B"
PROMPTS = 20
TOKENS = 24
ANSWER_SECONDS = 90.0
"""Longer than a server may hang before its liveness probe ends it."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    id: str
    prompt: str
    asked: float
    answered: float
    text: str | None
    """None where there was no whole answer."""
    began: bool
    """Whether the answer had begun to arrive."""
    pod: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Counts:
    asked: int
    lost: int
    """Without an answer, though none of it had begun to arrive."""
    cut: int
    """Ended in the middle of an answer."""
    wrong: int
    doubled: int
    """Answered by more than one server, though nothing failed under them."""
    repeated: int
    """Answered by a second server: the fault took the first one's answer before it had begun to
    arrive."""
    recovered: float
    """Seconds from the fault until questions were answered again as before it."""
    slowest: float
    why: frozenset[str]

    def __str__(self) -> str:
        return (
            f"asked {self.asked}, lost {self.lost}, cut {self.cut}, wrong {self.wrong}, "
            f"doubled {self.doubled}, repeated {self.repeated}, "
            f"recovered after {self.recovered:.1f} s, slowest {self.slowest:.1f} s"
            f"{', ' if self.why else ''}{'; '.join(sorted(self.why))}"
        )


@dataclass
class Traffic:
    """Every second question is streamed. Prompts repeat, so that answers can be compared."""

    url: str
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    right: dict[str, str] = field(default_factory=dict[str, str])
    """Prompt -> its answer, from before any fault."""
    fault: float = 0.0

    def strike(self) -> None:
        """Note that the fault happens now."""
        self.fault = time.monotonic()

    def wait_for(self, seconds: float) -> None:
        time.sleep(seconds)

    @contextmanager
    def at(self, rate: float) -> Generator["Traffic"]:
        """Ask `rate` questions a second until the end of the block, and wait for the answers."""
        self.outcomes.clear()
        ended = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._ask(rate, ended)))
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            thread.join()

    def learn(self) -> None:
        """Have an answer to every prompt while all is well."""
        with self.at(20):
            self.wait_for(PROMPTS / 20 + 0.2)
        lost = [one.why for one in self.outcomes if one.text is None]
        assert not lost, lost
        self.right = {one.prompt: one.text for one in self.outcomes if one.text is not None}
        assert len(self.right) == PROMPTS

    def counts(self, served: dict[str, int]) -> Counts:
        """`served` says how many servers have answered a question, by its id."""
        usual = statistics.median(one.answered - one.asked for one in self.outcomes)
        # The last that was asked after the fault and had trouble.
        troubled = [
            one
            for one in self.outcomes
            if one.asked >= self.fault
            and (one.text is None or one.answered - one.asked > max(1.0, 5 * usual))
        ]
        missing = [one for one in self.outcomes if one.text is None]
        twice = [one for one in self.outcomes if served.get(one.id, 0) > 1]
        repeated = [one for one in twice if one.asked <= self.fault <= one.answered]
        return Counts(
            asked=len(self.outcomes),
            lost=sum(not one.began for one in missing),
            cut=sum(one.began for one in missing),
            wrong=sum(one.text not in {None, self.right[one.prompt]} for one in self.outcomes),
            doubled=len(twice) - len(repeated),
            repeated=len(repeated),
            recovered=max((one.asked - self.fault for one in troubled), default=0.0),
            slowest=max(one.answered - one.asked for one in self.outcomes),
            why=frozenset(one.why for one in missing),
        )

    async def _ask(self, rate: float, ended: threading.Event) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            asyncio.TaskGroup() as group,
        ):
            begin = time.monotonic()
            for number in count():
                await asyncio.sleep(begin + number / rate - time.monotonic())
                if ended.is_set():
                    return
                group.create_task(self._one(session, number))

    async def _one(self, session: aiohttp.ClientSession, number: int) -> None:
        asked = time.monotonic()
        prompt, id_ = f"Question {number % PROMPTS}", f"{asked:.6f}-{number}"
        streamed = number % 2 == 0
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": TOKENS,
            "ignore_eos": True,
            "stream": streamed,
        }
        text: str | None = None
        pod, why, began = "", "", False
        try:
            async with session.post(
                f"{self.url}/v1/chat/completions", json=body, headers={"X-Request-Id": id_}
            ) as response:
                pod = response.headers.get("x-inference-pod", "")
                if response.status != 200:
                    why = f"HTTP {response.status} {(await response.text())[:100]}".strip()
                elif streamed:
                    said = b""
                    async for part in response.content.iter_any():
                        began, said = True, said + part
                    text = streamed_text(said)
                else:
                    began = True
                    said = await response.read()
                    text = json.loads(said)["choices"][0]["message"]["content"]
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            why = f"{type(problem).__name__} {problem}"[:120]
        self.outcomes.append(
            Outcome(
                id=id_,
                prompt=prompt,
                asked=asked,
                answered=time.monotonic(),
                text=text,
                began=began,
                pod=pod,
                why=why,
            )
        )


def streamed_text(said: bytes) -> str | None:
    """What a stream of events says; None unless it is whole."""
    events = [line.removeprefix("data: ") for line in said.decode().splitlines() if line]
    if events[-1:] != ["[DONE]"]:
        return None
    parts: list[dict[str, Any]] = [json.loads(one) for one in events[:-1]]
    return "".join(
        one["choices"][0]["delta"].get("content") or "" for one in parts if one["choices"]
    )
