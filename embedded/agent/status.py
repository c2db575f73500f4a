"""A pod's status as kubelet writes it, and what a new agent reads back from one. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from embedded.agent.decide import (
    Life,
    Memory,
    Tally,
    done,
    initialized,
    ready,
    started,
    succeeded,
)
from embedded.agent.environment import Addresses
from embedded.agent.machine import Ended, Running
from embedded.agent.model import Check, Container, Pod, Role
from embedded.agent.objects import Object, part, parts

_ID = "process://"


@dataclass(frozen=True)
class Waiting:
    """Why a container has not been started."""

    reason: str
    message: str


def time_of(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def status(
    pod: Object,
    model: Pod,
    memory: Memory,
    addresses: Addresses,
    now: float,
    waiting: Mapping[str, Waiting],
) -> Object:
    """The part of the status that is the agent's."""
    before = part(pod, "status")
    of = {role: _containers(pod, model.by_role(*role), memory, waiting) for role in _GROUPS}
    return {
        "phase": _phase(model, memory),
        "startTime": before.get("startTime") or time_of(now),
        "hostIP": addresses.node,
        "hostIPs": [{"ip": addresses.node}],
        "podIP": addresses.pod,
        "podIPs": [{"ip": addresses.pod}],
        "conditions": _conditions(pod, model, memory, now),
        "containerStatuses": of[_MAIN],
        **({"initContainerStatuses": of[_INIT]} if of[_INIT] else {}),
    }


_MAIN, _INIT = (Role.MAIN,), (Role.INIT, Role.SIDECAR)
_GROUPS = (_MAIN, _INIT)


def _phase(model: Pod, memory: Memory) -> str:
    if done(model, memory):
        return "Succeeded" if succeeded(model, memory) else "Failed"
    begun = all(memory[one.name].run for one in model.by_role(Role.MAIN))
    return "Running" if begun else "Pending"


def _conditions(pod: Object, model: Pod, memory: Memory, now: float) -> list[Object]:
    before = {one["type"]: one for one in parts(pod, "status", "conditions")}
    over = done(model, memory)
    unready = [
        one.name
        for one in model.by_role(Role.SIDECAR, Role.MAIN)
        if over or not ready(one, memory[one.name])
    ]
    shut = [gate for gate in model.gates if before.get(gate, {}).get("status") != "True"]
    said = f"containers with unready status: [{' '.join(unready)}]" if unready else ""
    gated = f"readiness gates not passed: [{' '.join(shut)}]" if shut else ""
    reason = "PodCompleted" if over else "ContainersNotReady"
    begun = initialized(model, memory) or over
    return [
        _condition(before, "PodReadyToStartContainers", now),
        _condition(before, "Initialized", now, *(() if begun else ("ContainersNotInitialized",))),
        _condition(before, "ContainersReady", now, *((reason, said) if unready else ())),
        _condition(
            before,
            "Ready",
            now,
            *((reason, said) if unready else ("ReadinessGatesNotReady", gated) if shut else ()),
        ),
    ]


def _condition(
    before: Mapping[str, Object], kind: str, now: float, reason: str = "", message: str = ""
) -> Object:
    """True where there is no reason against it; the time is when that last changed."""
    value = "False" if reason else "True"
    old = before.get(kind, {})
    since = old.get("lastTransitionTime") if old.get("status") == value else None
    return {
        "type": kind,
        "status": value,
        "lastTransitionTime": since or time_of(now),
        "reason": reason or None,
        "message": message or None,
    }


def _containers(
    pod: Object,
    models: Sequence[Container],
    memory: Memory,
    waiting: Mapping[str, Waiting],
) -> list[Object]:
    spec: Object = pod["spec"]
    specs = {one["name"]: one for one in (*parts(spec, "initContainers"), *spec["containers"])}
    return [
        _container(pod["metadata"]["uid"], specs[one.name], one, memory[one.name], waiting)
        for one in models
    ]


def _container(
    uid: str, spec: Object, model: Container, life: Life, waiting: Mapping[str, Waiting]
) -> Object:
    run = life.run
    made: Object = {
        "name": model.name,
        "image": spec["image"],
        "imageID": spec["image"],
        "ready": ready(model, life),
        "started": started(model, life),
        "restartCount": life.restarts,
        "state": _state(uid, model.name, life, waiting.get(model.name)),
        "lastState": {},
    }
    if run is not None:
        made["containerID"] = _identity(uid, model.name, run.started)
    # A run that is over is the last one as soon as the next is waited for.
    last = run if isinstance(run, Ended) and "waiting" in made["state"] else life.before
    if last is not None:
        made["lastState"] = {"terminated": _terminated(uid, model.name, last)}
    return made


def _state(uid: str, name: str, life: Life, waiting: Waiting | None) -> Object:
    if isinstance(life.run, Running):
        return {"running": {"startedAt": time_of(life.run.started)}}
    if waiting:
        return {"waiting": {"reason": waiting.reason, "message": waiting.message}}
    if life.run is None:
        return {"waiting": {"reason": "PodInitializing"}}
    if life.waiting:
        message = f"back-off restarting failed container {name}"
        return {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
    return {"terminated": _terminated(uid, name, life.run)}


def _terminated(uid: str, name: str, run: Ended) -> Object:
    return {
        "exitCode": run.code,
        "reason": "Error" if run.code else "Completed",
        "startedAt": time_of(run.started),
        "finishedAt": time_of(run.ended),
        "containerID": _identity(uid, name, run.started),
    }


def _identity(uid: str, name: str, started: float) -> str:
    """Of one run; holds its start to the last digit, for an agent to know it again."""
    return f"{_ID}{uid}/{name}/{started!r}"


def _started(identity: str) -> float:
    return float(identity.rsplit("/", 1)[1])


def remembered(pod: Object, model: Pod) -> dict[str, Life]:
    """What an agent knew that wrote this status."""
    said = part(pod, "status")
    listed = [*parts(said, "initContainerStatuses"), *parts(said, "containerStatuses")]
    statuses = {one["name"]: one for one in listed if one.get("containerID", "").startswith(_ID)}
    return {
        one.name: _remembered(one, statuses[one.name])
        for one in model.containers
        if one.name in statuses
    }


def _remembered(model: Container, said: Object) -> Life:
    begun = _started(said["containerID"])
    last = _ended(part(said, "lastState", "terminated"))
    run: Running | Ended
    if "running" in said["state"]:
        run = Running(started=begun)
    else:
        over = _ended(part(said, "state", "terminated")) or last
        run = over or Ended(started=begun, ended=begun, code=1)
        last = None if over is last else last
    passed = Tally(verdict=True)
    known = {Check.STARTUP: said.get("started"), Check.READINESS: said.get("ready")}
    alive = isinstance(run, Running)
    return Life(
        run=run,
        before=last,
        restarts=said["restartCount"],
        short=said["restartCount"] + (not alive),
        tallies={
            check: passed
            for check, good in known.items()
            if good and alive and check in model.probes
        },
    )


def _ended(said: Object) -> Ended | None:
    if not said:
        return None
    return Ended(
        started=_started(said["containerID"]),
        ended=seconds_of(said["finishedAt"]),
        code=said["exitCode"],
    )
