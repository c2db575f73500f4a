"""`docs/parity.md`: every difference from the official charts, below the reason for it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from parity.guides import Difference, Explanation, explained, explanations, guides

FILE = "docs/parity.md"
HEAD = """\
# Beside the official charts

What `pulumi up` makes of each guide's stack, where it is not what the guide's Helm charts make of
it. `tests/test_parity.py` writes this file (`UPDATE_PARITY=1`) and fails on a difference that has
no reason here, and on a reason that has no difference any more. D1 to D19 are defects of the
charts; `tests/test_chart_defects.py` looks for each of them.

Where a guide is marked *rendered*, all that its charts make was compared, as Helm rendered it;
where it is marked *derived*, the same with the values that this guide changes; of the others, the
values that are known. `$POSTFIX` and `$NAMESPACE` stand for the stack's names; a dash, for what is
not there.
"""


def document(found: Mapping[str, Sequence[Difference]]) -> str:
    """Of the differences of each guide."""
    return "\n".join([HEAD, *_counts(found), *_reasons(found)])


def _counts(found: Mapping[str, Sequence[Difference]]) -> list[str]:
    rows: list[str] = []
    for name, guide in guides().items():
        fields = sum(len(fields) for fields in guide.facts.values())
        known = "rendered" if guide.rendering else "derived" if guide.is_whole else "some values"
        other = sum(1 for one in found[name] if None not in (one.chart, one.ours))
        lacks = sum(1 for one in found[name] if one.ours is None)
        more = len(found[name]) - other - lacks
        rows.append(_row(name, known, fields, other, lacks, more))
    head = ("guide", "how known", "its fields", "other value", "not here", "only here")
    return [_row(*head), _row(*("---" for _ in head)), *rows, ""]


def _reasons(found: Mapping[str, Sequence[Difference]]) -> list[str]:
    by_title: dict[str, dict[tuple[str, str, str], list[str]]] = defaultdict(dict)
    for name, differences in found.items():
        for one in differences:
            for why in explained(one):
                key = (one.at, _shown(one.chart), _shown(one.ours))
                by_title[why.title].setdefault(key, []).append(name)
    return [line for why in explanations() for line in _reason(why, by_title[why.title])]


def _reason(
    why: Explanation, differences: Mapping[tuple[str, str, str], Sequence[str]]
) -> list[str]:
    head = ("", "charts", "here", "guides")
    rows = [_row(*values, _listed(names)) for values, names in sorted(differences.items())]
    return [f"## {why.title}", "", why.why, "", _row(*head), _row(*("---",) * 4), *rows, ""]


def _listed(names: Sequence[str]) -> str:
    """`all`, or by release: `v0.5: cuda istio, cpu istio`."""
    if len(names) == sum(one.is_whole for one in guides().values()):
        return "all"
    releases = groupby(sorted(names), key=lambda name: name.split(" ", 1)[0])
    return "; ".join(
        f"{release}: {', '.join(name.split(' ', 1)[1] for name in of)}" for release, of in releases
    )


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return "`yes`" if value == "" else f"`{value}`"


def _row(*cells: object) -> str:
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"
