"""What is to be done for a pod: from what runs, what the probes said and the clock. Pure.

`decide` is asked again whenever something may have changed, and at least as often as it says; it
remembers nothing but what it returns. What a new agent has to know after a crash stands in the
pod's status, from which `status.remembered` reads it back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from embedded.agent.machine import Ended, Running
from embedded.agent.model import Check, Container, Pod, Probe, Role

BACKOFF_SECONDS = 10.0
BACKOFF_MOST = 300.0
BACKOFF_FORGOTTEN = 600.0
"""A container that ran this long is restarted at once again."""
EAGER_SECONDS = 0.25
"""Between two questions before the first yes. They count as failures at the probe's own pace."""
KILLED = 137

SIGKILL = 9


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Of one probe in one run of a container."""

    verdict: bool | None = None
    """None before either threshold was reached."""
    streak: int = 0
    """Answers of the same kind in a row: positive for yes, negative for no."""
    due: float | None = None
    """When to ask next; None before the first time."""
    counts: float = 0
    """From when on a no counts."""
    asked: bool = False
    """Whether an answer is awaited."""


@dataclass(frozen=True, kw_only=True)
class Life:
    """What is remembered of a container."""

    run: Running | Ended | None = None
    """The last run that was seen."""
    before: Ended | None = None
    """How the one before it ended."""
    restarts: int = 0
    short: int = 0
    """Runs in a row that ended early: what the back-off grows with."""
    waiting: bool = False
    """For the back-off."""
    tallies: Mapping[Check, Tally] = field(default_factory=dict[Check, Tally])
    kill_at: float | None = None
    """When what was asked to end is killed."""
    stop_at: float | None = None
    """When it is asked to end, after the preStop hook's sleep."""

    @property
    def running(self) -> bool:
        return isinstance(self.run, Running)


Memory = Mapping[str, Life]
"""By the container's name."""


@dataclass(frozen=True)
class Start:
    container: str


@dataclass(frozen=True)
class Signal:
    container: str
    number: int


@dataclass(frozen=True)
class Ask:
    container: str
    check: Check


@dataclass(frozen=True)
class Tell:
    """An event on the pod."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True)
class Finish:
    """The pod was deleted and nothing of it runs: it may go."""


Action = Start | Signal | Ask | Tell | Finish


@dataclass(frozen=True)
class Decision:
    memory: Memory
    actions: tuple[Action, ...]


def decide(
    pod: Pod,
    memory: Memory,
    states: Mapping[str, Running | Ended | None],
    now: float,
    *,
    delete_by: float | None = None,
) -> Decision:
    """`delete_by` is when a deleted pod's grace has ended; None for one that is not deleted."""
    lives: dict[str, Life] = {}
    actions: list[Action] = []
    for one in pod.containers:
        lives[one.name], told = observe(one, memory.get(one.name, Life()), states[one.name], now)
        actions += told
    if delete_by is not None:
        return Decision(lives, (*actions, *_end(pod, lives, now, delete_by)))
    if done(pod, lives):
        # Nothing is left to serve: what stood beside the main containers may go.
        sidecars = pod.by_role(Role.SIDECAR)
        return Decision(lives, (*actions, *_stop(sidecars, lives, now, now + pod.grace)))
    for one in _wanted(pod, lives):
        life = lives[one.name]
        if life.running:
            lives[one.name], asked = _run(one, pod, life, now)
            actions += asked
        elif not _over(one, life):
            lives[one.name], begun = _begin(one, life, now)
            actions += begun
    return Decision(lives, tuple(actions))


def observe(
    container: Container, life: Life, state: Running | Ended | None, now: float
) -> tuple[Life, list[Action]]:
    """Take in what the machine says of a container."""
    if state is None:
        if life.running:  # the machine was started anew
            assert life.run  # noqa: S101 - what runs has a run
            lost = Ended(started=life.run.started, ended=now, code=KILLED)
            return Life(run=lost, before=life.before, restarts=life.restarts), []
        return life, []
    told: list[Action] = []
    if life.run is None or state.started != life.run.started:
        again = life.run is not None
        before = life.run if isinstance(life.run, Ended) else life.before
        begun = Running(started=state.started)
        life = Life(run=begun, before=before, restarts=life.restarts + again, short=life.short)
        told.append(Tell("Started", f"Started container {container.name}"))
    if isinstance(state, Ended) and life.running:
        lasted = state.ended - state.started
        short = 1 if lasted >= BACKOFF_FORGOTTEN else life.short + 1
        # Of a run that is over nothing but its end is true any more.
        life = Life(run=state, before=life.before, restarts=life.restarts, short=short)
    return life, told


def _wanted(pod: Pod, lives: Memory) -> list[Container]:
    """The containers whose turn has come: each init container waits for those before it."""
    wanted: list[Container] = []
    for one in pod.by_role(Role.INIT, Role.SIDECAR):
        wanted.append(one)
        if not _begun(pod, lives) and not _initialized(one, lives[one.name]):
            return wanted
    return [*wanted, *pod.by_role(Role.MAIN)]


def _begun(pod: Pod, lives: Memory) -> bool:
    """Whether the main containers run already: a sidecar's restart does not hold them up."""
    return any(lives[one.name].run for one in pod.by_role(Role.MAIN))


def initialized(pod: Pod, lives: Memory) -> bool:
    return _begun(pod, lives) or all(
        _initialized(one, lives[one.name]) for one in pod.by_role(Role.INIT, Role.SIDECAR)
    )


def _initialized(container: Container, life: Life) -> bool:
    return _succeeded(life) if container.role is Role.INIT else started(container, life)


def _succeeded(life: Life) -> bool:
    return isinstance(life.run, Ended) and life.run.code == 0


def _over(container: Container, life: Life) -> bool:
    """Whether it has ended for good."""
    if not isinstance(life.run, Ended):
        return False
    return container.restart == "Never" or (container.restart == "OnFailure" and life.run.code == 0)


def done(pod: Pod, lives: Memory) -> bool:
    """Whether the pod has run to its end, well or not."""
    failed = any(
        _over(one, lives[one.name]) and not _succeeded(lives[one.name])
        for one in pod.by_role(Role.INIT)
    )
    return failed or all(_over(one, lives[one.name]) for one in pod.by_role(Role.MAIN))


def succeeded(pod: Pod, lives: Memory) -> bool:
    return all(_succeeded(lives[one.name]) for one in pod.by_role(Role.INIT, Role.MAIN))


def started(container: Container, life: Life) -> bool:
    if not life.running:
        return False
    probe = Check.STARTUP in container.probes
    return not probe or life.tallies.get(Check.STARTUP, Tally()).verdict is True


def ready(container: Container, life: Life) -> bool:
    if container.role is Role.INIT:
        return _succeeded(life)
    if not started(container, life):
        return False
    probe = Check.READINESS in container.probes
    return not probe or life.tallies.get(Check.READINESS, Tally()).verdict is True


def backoff(life: Life) -> float:
    """Seconds between the end of a run and the next start: none, 10, 20, … 300."""
    if life.short <= 1:
        return 0.0
    return min(BACKOFF_SECONDS * 2.0 ** min(life.short - 2, 10), BACKOFF_MOST)


def _begin(container: Container, life: Life, now: float) -> tuple[Life, list[Action]]:
    if isinstance(life.run, Ended) and now < life.run.ended + backoff(life):
        if life.waiting:
            return life, []
        told = Tell(
            "BackOff", f"Back-off restarting failed container {container.name}", warning=True
        )
        return replace(life, waiting=True), [told]
    return replace(life, waiting=False), [Start(container.name)]


def _run(container: Container, pod: Pod, life: Life, now: float) -> tuple[Life, list[Action]]:
    """Ask the probes that are due, and end what is no longer alive."""
    if life.kill_at is not None:
        return _carry_out(container, life, now)
    for check in (Check.STARTUP, Check.LIVENESS):
        if life.tallies.get(check, Tally()).verdict is False:
            told = Tell(
                "Killing",
                f"Container {container.name} failed {check.lower()} probe, will be restarted",
            )
            grace = container.probes[check].grace
            by = now + (pod.grace if grace is None else grace)
            life, actions = _ask_to_end(container, life, now, by)
            return life, [told, *actions]
    actions: list[Action] = []
    for check, probe in container.probes.items():
        # Until it has started, a container is asked for nothing else.
        if check is not Check.STARTUP and not started(container, life):
            continue
        tally = life.tallies.get(check, Tally())
        if check is Check.STARTUP and tally.verdict:
            continue
        tally, ask = _due(tally, probe, now)
        life = replace(life, tallies={**life.tallies, check: tally})
        if ask:
            actions.append(Ask(container.name, check))
    return life, actions


def _due(tally: Tally, probe: Probe, now: float) -> tuple[Tally, bool]:
    if tally.due is None:
        first = now + probe.delay
        tally = replace(tally, due=first, counts=first)
    assert tally.due is not None  # noqa: S101 - set above
    if tally.asked or now < tally.due:
        return tally, False
    return replace(tally, asked=True), True


def answered(
    container: Container, life: Life, check: Check, problem: str | None, now: float
) -> tuple[Life, list[Action]]:
    """Take in a probe's answer: None for yes, else what was wrong."""
    probe, tally = container.probes[check], life.tallies.get(check)
    if tally is None or not tally.asked or not life.running:
        return life, []  # the answer of a run that is over
    actions: list[Action] = []
    eager = check is not Check.LIVENESS and tally.verdict is None
    if problem is None:
        streak = max(tally.streak, 0) + 1
        verdict = True if streak >= probe.successes else tally.verdict
        tally = replace(
            tally, streak=streak, verdict=verdict, due=now + probe.period, counts=now, asked=False
        )
    else:
        counts = now >= tally.counts
        streak = min(tally.streak, 0) - counts
        verdict = False if -streak >= probe.failures else tally.verdict
        pause = min(EAGER_SECONDS, probe.period) if eager and verdict is None else probe.period
        tally = replace(
            tally,
            streak=streak,
            verdict=verdict,
            due=now + pause,
            counts=now + probe.period if counts else tally.counts,
            asked=False,
        )
        if counts:
            actions.append(Tell("Unhealthy", f"{check} probe failed: {problem}", warning=True))
    return replace(life, tallies={**life.tallies, check: tally}), actions


def _end(pod: Pod, lives: dict[str, Life], now: float, by: float) -> list[Action]:
    """All at once, but for sidecars, which serve the others to their end."""
    running = [one for one in pod.containers if lives[one.name].running]
    if not running:
        return [Finish()]
    first = [one for one in running if one.role is not Role.SIDECAR]
    if now >= by:
        return [Signal(one.name, SIGKILL) for one in running]
    return _stop(first or running, lives, now, by)


def _stop(
    containers: list[Container] | tuple[Container, ...],
    lives: dict[str, Life],
    now: float,
    by: float,
) -> list[Action]:
    actions: list[Action] = []
    for one in containers:
        life = lives[one.name]
        if not life.running:
            continue
        if life.kill_at is None:
            actions.append(Tell("Killing", f"Stopping container {one.name}"))
            lives[one.name], done = _ask_to_end(one, life, now, by)
        else:
            lives[one.name], done = _carry_out(
                one, replace(life, kill_at=min(by, life.kill_at)), now
            )
        actions += done
    return actions


def _ask_to_end(
    container: Container, life: Life, now: float, by: float
) -> tuple[Life, list[Action]]:
    life = replace(life, stop_at=now + container.stop_delay, kill_at=by)
    return _carry_out(container, life, now)


def _carry_out(container: Container, life: Life, now: float) -> tuple[Life, list[Action]]:
    assert life.kill_at is not None  # noqa: S101 - what is asked to end has a deadline
    if now >= life.kill_at:
        return life, [Signal(container.name, SIGKILL)]
    if life.stop_at is not None and now >= life.stop_at:
        return replace(life, stop_at=None), [Signal(container.name, container.stop_signal)]
    return life, []
