"""Print the comment for a folder of previews: counts of every stack, then each one's resources.

    comment.py FOLDER        reads every JSON file there, as `preview.py` wrote them

The files come from a pull request, so they are data of a stranger: nothing is run, nothing of them
is read as Markdown, and whatever does not look like a preview is left out.
"""  # noqa: INP001 - scripts, not a package

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARKER = "<!-- pulumi preview of every stack -->"
"""The comment that is ours begins with it."""

LIMIT = 60_000
"""Bytes; GitHub takes 65,536 characters."""

MOST_BYTES = 5_000_000
"""Of a file that is looked at."""

SIGNS = {"create": "+", "update": "~", "replace": "+-", "delete": "-", "same": " "}
COLUMNS = ("create", "update", "replace", "delete", "same")

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Step:
    op: str
    urn: str
    parent: str

    @property
    def line(self) -> str:
        *_, types, name = self.urn.split("::") if "::" in self.urn else ("", self.urn)
        return f"{SIGNS.get(self.op, '?'):2} {types.rsplit('$', 1)[-1]}  {name}"


@dataclass(frozen=True)
class Preview:
    stack: str
    failed: bool
    steps: Sequence[Step]
    messages: Sequence[str]

    @property
    def counts(self) -> Counter[str]:
        return Counter(step.op for step in self.steps)


def read(folder: Path) -> list[Preview]:
    """Read what looks like a preview; by stack."""
    files = sorted(folder.rglob("*.json"))
    found = [
        preview
        for file in files
        if file.is_file() and file.stat().st_size <= MOST_BYTES and (preview := _parse(file))
    ]
    return sorted(found, key=lambda one: one.stack)


def _parse(file: Path) -> Preview | None:
    try:
        said: Any = json.loads(file.read_text())
        if not _PLAIN.fullmatch(said["stack"]):
            return None
        return Preview(
            stack=said["stack"],
            failed=bool(said["code"]),
            steps=[
                Step(str(one["op"]), str(one["urn"]), str(one["parent"])) for one in said["steps"]
            ],
            messages=[str(one) for one in said["messages"]],
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def comment(previews: Sequence[Preview], limit: int = LIMIT) -> str:
    """Write the comment; what does not fit is counted instead of listed."""
    text = "\n".join([MARKER, "### `pulumi preview` of every stack", "", *_table(previews), ""])
    for index, one in enumerate(previews):
        # What an earlier stack does not need, a later one may have.
        share = (limit - len(text.encode())) // (len(previews) - index)
        text += _details(one, share)
    return text


def _table(previews: Sequence[Preview]) -> Iterator[str]:
    if not previews:
        yield "No stack could be previewed: see the run."
        return
    yield f"| stack | {' | '.join(COLUMNS)} | |"
    yield f"| --- |{' ---: |' * len(COLUMNS)} --- |"
    for one in previews:
        counts = [str(one.counts[column] or "") for column in COLUMNS]
        yield f"| `{one.stack}` | {' | '.join(counts)} | {'**failed**' if one.failed else ''} |"
    yield ""
    yield "From an empty state and without a cluster: every resource of a stack is listed."


def _details(one: Preview, limit: int) -> str:
    lines = [line for text in one.messages for line in text.splitlines()] + [*_tree(one.steps)]
    fence = "`" * (
        max((len(run) for line in lines for run in re.findall("`+", line)), default=0) + 3
    )
    opened = " open" if one.failed else ""
    head = f"\n<details{opened}><summary>{one.stack}</summary>\n\n{fence}text\n"
    tail = f"{fence}\n\n</details>\n"
    more = "... and {} lines more: see the run's artifacts\n"
    room = limit - len((head + tail + more).encode()) - len(str(len(lines)))
    body, listed = "", 0
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            body += more.format(len(lines) - listed)
            break
        body, listed = f"{body}{line}\n", listed + 1
    return head + body + tail if room >= 0 or listed else ""


def _tree(steps: Sequence[Step]) -> Iterator[str]:
    """List each resource below its parent, one whose parent is not there at the top."""
    there = {step.urn for step in steps}
    below: dict[str, list[Step]] = {}
    for step in steps:
        below.setdefault(step.parent if step.parent in there else "", []).append(step)
    waiting = [(0, step) for step in reversed(below.pop("", []))]
    while waiting:
        depth, step = waiting.pop()
        yield f"{'  ' * min(depth, 20)}{step.line}"
        waiting += [(depth + 1, child) for child in reversed(below.pop(step.urn, []))]


if __name__ == "__main__":
    sys.stdout.write(comment(read(Path(sys.argv[1]))))
