"""Until an object is ready, or gone, or time is up, or the user gives up."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from plugins.kubernetes import readiness, waitfor
from plugins.kubernetes.access import UnreachableError
from plugins.kubernetes.cluster import Cluster, Served
from plugins.kubernetes.diagnosis import diagnose
from plugins.kubernetes.errors import ApiError, NoSuchKindError
from plugins.kubernetes.kinds import Kind
from plugins.kubernetes.readiness import READY, Broken, Related, Verdict, Waiting
from plugins.values import Object, at

SKIP = "pulumi.com/skipAwait"
TIMEOUT = "pulumi.com/timeoutSeconds"
PROPAGATION = "pulumi.com/deletionPropagationPolicy"

DEFAULT_SECONDS = 600.0

# Polled, not watched: a watch would hold a thread and a connection for as long as a model loads.
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
_PAUSE_GROWTH = 1.2
_WORTH_TELLING = 1.0  # seconds
_DIAGNOSE_EVERY = 10.0  # seconds

# Kinds whose deletion is not awaited either when awaiting is skipped: the vendor's list.
_SKIP_DELETION = {
    ("v1", "Namespace"),
    ("v1", "Pod"),
    ("v1", "ReplicationController"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("batch/v1", "Job"),
}

Say: TypeAlias = Callable[[str], None]


@dataclass
class Patience:
    """How long to wait, and whom to tell meanwhile."""

    seconds: float
    cancelled: asyncio.Event
    say: Say
    started: float = field(default_factory=time.monotonic)
    _pause: float = _FIRST_PAUSE
    _said: str = ""

    @property
    def passed(self) -> float:
        return time.monotonic() - self.started

    @property
    def over(self) -> bool:
        return self.passed >= self.seconds or self.cancelled.is_set()

    def tell(self, why: str) -> None:
        """Say what is awaited, if it takes long enough for anyone to ask, and once."""
        if self.passed >= _WORTH_TELLING and why != self._said:
            self._said = why
            self.say(why)

    async def pause(self) -> None:
        """Wait a moment, longer each time, but not past the end or a cancellation."""
        rest = min(self._pause, max(self.seconds - self.passed, 0.0))
        self._pause = min(self._pause * _PAUSE_GROWTH, _LONGEST_PAUSE)
        try:
            await asyncio.wait_for(self.cancelled.wait(), rest)
        except TimeoutError:
            return

    def verdict(self) -> str:
        return "you cancelled" if self.cancelled.is_set() else f"{self.seconds:g} s passed"


class NotReadyError(Exception):
    """An object exists but is not ready; `reasons` are for the user, the first is the summary."""

    def __init__(self, live: Object, reasons: Sequence[str]) -> None:
        super().__init__(reasons[0])
        self.live = live
        self.reasons = list(reasons)


def annotation(obj: Object, name: str) -> str:
    value = at(obj, "metadata", "annotations", name)
    return value if isinstance(value, str) else ""


def seconds(obj: Object, requested: float) -> float:
    """The time an operation may take: the resource's option, its annotation, or ten minutes."""
    if requested > 0:
        return requested
    try:
        return float(annotation(obj, TIMEOUT))
    except ValueError:
        return DEFAULT_SECONDS


@dataclass(frozen=True)
class Checks:
    """When an object counts as ready."""

    rule: readiness.Rule | None
    extra: Sequence[waitfor.Check]

    @classmethod
    def of(cls, obj: Object, *, await_all: bool) -> "Checks":
        """The checks for an object by its kind and annotations; waitfor.MalformedError."""
        if annotation(obj, SKIP) == "true":
            return cls(None, ())
        text = annotation(obj, waitfor.ANNOTATION)
        rule = readiness.RULES.get((obj["apiVersion"], obj["kind"]))
        if not text and await_all and rule is None:
            return cls(None, (readiness.by_conditions,))
        return cls(rule, waitfor.parse(text) if text else ())

    def __bool__(self) -> bool:
        return self.rule is not None or bool(self.extra)

    async def judge(self, cluster: Cluster, live: Object) -> Verdict:
        if self.rule is not None:
            verdict = self.rule.judge(live, ())
            if isinstance(verdict, Waiting) and self.rule.related is not None:
                related = await _related(cluster, self.rule.related, live)
                verdict = self.rule.judge(live, related)
            if verdict != READY:
                return verdict
        for check in self.extra:
            verdict = check(live)
            if verdict != READY:
                return verdict
        return READY


async def _related(cluster: Cluster, related: Related, live: Object) -> list[Object]:
    try:
        served = await cluster.served(Kind(related.api_version, related.kind))
        if related.selector is not None:
            namespace = at(live, "metadata", "namespace")
            return await cluster.list_all(served, namespace, labelSelector=related.selector(live))
        name = related.name(live) if related.name is not None else None
        return [await cluster.get(served, None, name)] if name else []
    except (ApiError, NoSuchKindError, UnreachableError):
        return []  # asked again soon


async def until_ready(
    cluster: Cluster, served: Served, live: Object, checks: Checks, patience: Patience
) -> Object:
    """The object once all checks hold; NotReadyError when they do not in time, or never can."""
    namespace, name = at(live, "metadata", "namespace"), live["metadata"]["name"]
    diagnosed = 0.0
    while True:
        verdict = await checks.judge(cluster, live)
        if verdict == READY:
            return live
        if isinstance(verdict, Broken):
            raise NotReadyError(live, [verdict.why, *await diagnose(cluster, live)])
        if patience.over:
            summary = f"{patience.verdict()} and it is not ready: {_why(verdict)}"
            raise NotReadyError(live, [summary, *await diagnose(cluster, live)])
        why = _why(verdict)
        if patience.passed - diagnosed >= _DIAGNOSE_EVERY:
            diagnosed = patience.passed
            why = "; ".join([why, *await diagnose(cluster, live)])
        patience.tell(why)
        await patience.pause()
        # A server that is restarted meanwhile is no reason to give up.
        with contextlib.suppress(UnreachableError):
            try:
                live = await cluster.get(served, namespace, name)
            except ApiError as error:
                if error.not_found:
                    raise NotReadyError(live, ["it was deleted while it was awaited"]) from error


def _why(verdict: Verdict) -> str:
    return verdict.why if isinstance(verdict, Waiting | Broken) else ""


def propagation(obj: Object) -> str:
    """How a deletion treats what the object owns; the vendor's default waits for it."""
    policy = annotation(obj, PROPAGATION).lower()
    return {"orphan": "Orphan", "background": "Background"}.get(policy, "Foreground")


def awaits_deletion(obj: Object) -> bool:
    kind = (str(obj.get("apiVersion")), str(obj.get("kind")))
    return annotation(obj, SKIP) != "true" or kind not in _SKIP_DELETION


async def until_gone(cluster: Cluster, served: Served, live: Object, patience: Patience) -> None:
    """Return when the object, or this incarnation of it, is gone; NotReadyError when it stays."""
    namespace, name = at(live, "metadata", "namespace"), live["metadata"]["name"]
    uid = live["metadata"].get("uid")
    while True:
        with contextlib.suppress(UnreachableError):
            try:
                live = await cluster.get(served, namespace, name)
            except ApiError as error:
                if error.not_found:
                    return
        if uid and live["metadata"]["uid"] != uid:
            return
        if patience.over:
            raise NotReadyError(live, [f"{patience.verdict()} and it still exists: {stays(live)}"])
        patience.tell(f"being deleted: {stays(live)}")
        await patience.pause()


def stays(live: Object) -> str:
    """Why an object that was deleted is still there."""
    finalizers: list[str] = [
        *(at(live, "metadata", "finalizers") or []),
        *(at(live, "spec", "finalizers") or []),
    ]
    conditions: list[Object] = at(live, "status", "conditions") or []
    reasons = [
        str(one.get("message"))
        for one in conditions
        if live.get("kind") == "Namespace" and one.get("status") == "True"
    ]
    if finalizers:
        named = ", ".join(f"`{one}`" for one in finalizers)
        reasons.append(f"it waits for what removes its finalizers {named}")
    return "; ".join(reasons) or "the server still has it"
