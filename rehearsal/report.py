"""What a rehearsal has shown, in lines. Pure."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from rehearsal.scene import Amounts, Scene
from rehearsal.script import Script
from rehearsal.stage import DEFINITION
from stack import quantity

Object = Mapping[str, Any]

POD_MAKERS = frozenset({"LeaderWorkerSet"})
"""Custom resources whose controllers make pods."""
WIDTH = 100


def opening(script: Script) -> Iterator[str]:
    """What is rehearsed, before it begins."""
    first = script.nodes[0]
    offered = {
        kind: amount
        for kind, amount in first.allocatable.items()
        if kind in {"cpu", "memory", script.plan.cluster.hardware.resource}
    } | {driver: str(count) for driver, count in first.claimable.items()}
    said = "as the stack file says" if script.declared else "as the hardware is usually sold"
    shown = quantity.listed(quantity.parse_all(offered))
    yield f"machines: {len(script.nodes)}, each with {shown} ({said})"
    for key in script.stand_ins:
        yield f"{key}: a stand-in, since secrets stay where they are"
    yield from (f"not rehearsed: {what}" for what in script.left_out)


def placements(scene: Scene) -> Iterator[str]:
    """Each pod with its node, and how full each node is."""
    yield from _table(
        ("pod", "node", "asks for"),
        [
            (one.name, one.node or "-", quantity.listed(one.asks) or "it has ended")
            for one in scene.pods
        ],
    )
    yield ""
    yield from _table(
        ("node", "taken"),
        [(name, _filled(scene.taken(name), offered)) for name, offered in scene.nodes.items()],
    )


def _filled(taken: Amounts, offered: Amounts) -> str:
    return ", ".join(
        f"{kind} {quantity.shown(amount)} of {quantity.shown(offered[kind])}"
        for kind, amount in taken.items()
        if kind in offered
    )


def accepted(
    objects: Sequence[Object], there: Sequence[Object], served: AbstractSet[str] = frozenset()
) -> Iterator[str]:
    """What the API server took, and of what of it nothing more is shown.

    `there` has every definition of a custom resource; `served` are kinds whose controller runs.
    """
    counted = Counter(str(one["kind"]) for one in objects)
    yield from _wrapped(f"objects: {len(objects)} accepted: {_counted(counted)}")
    groups = {one["spec"]["group"] for one in there if one["kind"] == DEFINITION}
    idle = Counter(
        str(one["kind"]) for one in objects if one["apiVersion"].partition("/")[0] in groups
    )
    idle = Counter({kind: count for kind, count in idle.items() if kind not in served})
    if idle:
        yield from _wrapped(
            f"checked against their definitions, and acted on by nobody here: {_counted(idle)}"
        )
    for kind in sorted(POD_MAKERS & idle.keys()):
        yield f"not rehearsed: the pods of {kind}, which its controller would make"


def diagnostics(said: Sequence[str]) -> Iterator[str]:
    """What Pulumi has to say about a failure, of all that it says."""
    heading = "Diagnostics:"
    yield from said[said.index(heading) if heading in said else 0 :]


def _counted(kinds: Counter[str]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    lines = [head, *sorted(rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head) - 1)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        yield "  ".join([*cells, line[-1]])
