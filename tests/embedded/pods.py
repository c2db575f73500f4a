"""Pods for the tests of the node agent, and a machine that does as it is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from embedded.agent import decide
from embedded.agent.machine import Ended, Running
from embedded.agent.model import Check, Pod, Probe


def pod(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "web-0",
            "namespace": "shop",
            "uid": "0a",
            "labels": {"app": "web"},
        },
        "spec": {"nodeName": "node-0", "containers": [container()], **spec},
    }


def container(name: str = "main", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "docker.io/envoyproxy/envoy:v1.33.2", **more}


def probe(**more: Any) -> Probe:
    return Probe(how="httpGet", port=80, headers={}, **more)


@dataclass
class Play:
    """A pod's life with a clock of its own: what runs, what probes say, what was done."""

    pod: Pod
    answers: Mapping[tuple[str, Check], str | None] = field(
        default_factory=dict[tuple[str, Check], str | None]
    )
    """What is wrong by each probe; None where nothing is."""
    obeys: bool = True
    """Whether programs end when they are asked to."""
    now: float = 1000.0
    memory: decide.Memory = field(default_factory=dict[str, decide.Life])
    states: dict[str, Running | Ended | None] = field(
        default_factory=dict[str, Running | Ended | None]
    )
    done: list[tuple[float, decide.Action]] = field(
        default_factory=list[tuple[float, decide.Action]]
    )
    delete_by: float | None = None

    def __post_init__(self) -> None:
        self.states = {one.name: None for one in self.pod.containers}

    def step(self) -> list[decide.Action]:
        decision = decide.decide(
            self.pod, self.memory, self.states, self.now, delete_by=self.delete_by
        )
        self.memory = decision.memory
        for action in decision.actions:
            self.done.append((self.now, action))
            self._carry_out(action)
        return list(decision.actions)

    def run(self, seconds: float, pause: float = 0.25) -> "Play":
        until = self.now + seconds
        while self.now < until:
            self.step()
            self.now += pause
        self.step()
        return self

    def end(self, name: str, code: int) -> None:
        state = self.states[name]
        assert isinstance(state, Running)
        self.states[name] = Ended(started=state.started, ended=self.now, code=code)

    def at(self, action: decide.Action) -> list[float]:
        """Seconds since the beginning at which the action was taken."""
        return [when - 1000.0 for when, what in self.done if what == action]

    def _carry_out(self, action: decide.Action) -> None:
        match action:
            case decide.Start(name):
                assert not isinstance(self.states[name], Running), "started while it runs"
                self.states[name] = Running(started=self.now)
            case decide.Signal(name, number):
                if self.obeys or number == decide.SIGKILL:
                    self.end(name, 128 + number)
            case decide.Ask(name, check):
                one = next(each for each in self.pod.containers if each.name == name)
                life, said = decide.answered(
                    one,
                    self.memory[name],
                    check,
                    self.answers.get((name, check)),
                    self.now,
                )
                self.memory = {**self.memory, name: life}
                self.done += [(self.now, each) for each in said]
            case _:
                pass
