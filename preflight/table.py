"""Rows as a person reads them. Pure."""

from collections.abc import Iterator, Sequence

from preflight.rows import Row, State
from stack.machine import Verdict

HEAD = ("", "what", "found", "needed")


def table(rows: Sequence[Row]) -> str:
    cells = [HEAD, *((row.state.value, row.what, row.found, row.needed) for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(HEAD) - 1)]
    lines = [_line(HEAD, widths)]
    for row, line in zip(rows, cells[1:], strict=True):
        lines.append(_line(line, widths))
        lines += [f"{'':<{widths[0]}}  {said}" for said in _below(row)]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
    return "  ".join([*padded, cells[-1]]).rstrip()


def _below(row: Row) -> Iterator[str]:
    yield from (f"  {one}" for one in row.detail)
    if row.mend:
        yield f"way out: {row.mend}"


def verdict(stack: str, rows: Sequence[Row]) -> Verdict:
    """Everything that is missing, and everything to be warned of, each with its way out."""
    return Verdict(
        refusal=_listed(f"this machine lacks what stack {stack} needs", State.MISSING, stack, rows),
        warning=_listed(f"this machine may not do for stack {stack}", State.WARNING, stack, rows),
    )


def _listed(title: str, state: State, stack: str, rows: Sequence[Row]) -> str:
    told = [line for row in rows if row.state is state for line in _told(row)]
    all_of_it = f"`make preflight STACK={stack}` shows all that was looked at"
    return "\n".join([f"{title}; {all_of_it}:", *told]) if told else ""


def _told(row: Row) -> Iterator[str]:
    yield f"  - {row.what} is {row.found}, needed {row.needed}"
    yield from (f"      {one}" for one in row.detail)
    yield f"      way out: {row.mend}"
