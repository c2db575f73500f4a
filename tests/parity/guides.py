"""The guides' official charts beside this program: what each makes, and where they differ."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from parity.view import Facts, Object, facts
from recording import ROOT, TOKEN, Deploy

HERE = Path(__file__).parent
CHARTS = Path(os.environ.get("LLMD_CHARTS") or ROOT.parent / "shared" / "charts")
"""Where the official renderings are, if they are: `<guide>-<chart>.yaml` each."""
NAMES = {"namespace": "llm-d-inference-scheduler", "postfix": "inference-scheduling"}
"""Of the guides that say no others."""
NOT_THE_CHARTS = {"CustomResourceDefinition", "Namespace"}
"""Kinds that the guides have made by hand, before any chart."""
CLUSTER = {"kind": "existing", "context": "parity"}


@dataclass(frozen=True, kw_only=True)
class Guide:
    """One release, target and gateway, as a guide has them."""

    name: str
    rendering: str | None
    """How the names of its renderings begin; None where its values alone are known."""
    is_whole: bool
    """Whether the facts are all that its charts make; else only what they say is compared."""
    stack: Mapping[str, Any]
    """The blocks of the stack file that deploys it here."""
    facts: Facts

    @property
    def names(self) -> Mapping[str, str]:
        return {**NAMES, **self.stack.get("names", {})}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A field that has another value here, or None; of a whole object, `field` is empty."""

    object: str
    field: str
    chart: Any
    ours: Any

    @property
    def at(self) -> str:
        return f"{self.object}: {self.field}" if self.field else self.object


@dataclass(frozen=True, kw_only=True)
class Explanation:
    title: str
    why: str
    at: tuple[str, ...]
    """Where, with `*` for anything."""

    def holds(self, difference: Difference) -> Iterator[str]:
        """Those of its patterns that the difference is at."""
        for pattern in self.at:
            if re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), difference.at):
                yield pattern


@cache
def guides() -> Mapping[str, Guide]:
    """Of `facts.yaml`: a guide that is like another says only what differs, null for what lacks."""
    found: dict[str, Guide] = {}
    for name, said in yaml.safe_load((HERE / "facts.yaml").read_text()).items():
        base = found[said["like"]].facts if "like" in said else {}
        found[name] = Guide(
            name=name,
            rendering=said.get("rendering"),
            is_whole=said.get("whole", True),
            stack=said["stack"],
            facts=_over(base, said.get("objects", {})),
        )
    return found


@cache
def explanations() -> Sequence[Explanation]:
    listed = yaml.safe_load((HERE / "explanations.yaml").read_text())
    return [Explanation(title=one["title"], why=one["why"], at=(*one["at"],)) for one in listed]


def explained(difference: Difference) -> Iterator[Explanation]:
    return (one for one in explanations() if any(one.holds(difference)))


def rendered(guide: Guide) -> list[Object]:
    """What the official charts make, where their renderings are."""
    return [
        one
        for file in sorted(CHARTS.glob(f"{guide.rendering}-*.yaml"))
        for one in yaml.safe_load_all(file.read_text())
        if one
    ]


def ours(guide: Guide, deploy: Deploy) -> list[Object]:
    """What this program makes of the guide's stack, on a cluster that is there."""
    blocks = {
        "monitoring": {"prometheus": "operator", "alerts": False, "dashboards": False},
        **guide.stack,
        "cluster": {**CLUSTER, **guide.stack.get("cluster", {})},
    }
    made = deploy(
        "minikube",
        config={f"llm-d:{key}": value for key, value in blocks.items()}
        | {"llm-d:names": guide.names},
        secrets=TOKEN,
    )
    return [one.inputs for one in made if one.is_object and one.kind not in NOT_THE_CHARTS]


def differences(guide: Guide, made: Sequence[Object]) -> list[Difference]:
    here = facts(made, **guide.names)
    return [*_differences(guide.facts, here, every=guide.is_whole)]


def _differences(chart: Facts, here: Facts, *, every: bool) -> Iterator[Difference]:
    for name in (*chart, *(name for name in here if every and name not in chart)):
        whole = name.split(", ", 1)[0]
        if every and name != whole and (whole in chart) != (whole in here):
            continue  # a part of what is not there
        if name not in chart or name not in here:
            there = {side: "made" if name in of else None for side, of in _sides(chart, here)}
            yield Difference(object=name, field="", **there)
            continue
        theirs, mine = chart[name], here[name]
        for field in (*theirs, *(field for field in mine if every and field not in theirs)):
            values = {side: of.get(field) for side, of in _sides(theirs, mine)}
            if values["chart"] != values["ours"]:
                yield Difference(object=name, field=field, **values)


def _sides(chart: Any, here: Any) -> tuple[tuple[str, Any], tuple[str, Any]]:
    return ("chart", chart), ("ours", here)


def _over(base: Facts, said: Mapping[str, Mapping[str, Any] | None]) -> Facts:
    """`base` with the fields of `said` instead, and without those that it says null of."""
    merged = {name: {**base.get(name, {}), **(fields or {})} for name, fields in said.items()}
    whole: Facts = {**base, **merged}
    return {
        name: {field: value for field, value in fields.items() if value is not None}
        for name, fields in whole.items()
        if said.get(name, {}) is not None
    }
