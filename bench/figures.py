"""What is made of measured seconds: medians, ratios, and a table of them."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Side:
    """One of two ways, and how it is taken once: `turn` returns the seconds that count."""

    name: str
    does: str
    turn: Callable[[], float]


@dataclass(frozen=True)
class Measured:
    """The seconds of one side, a figure a round."""

    name: str
    does: str
    seconds: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Comparison:
    """Ours beside the other; `aim` is the ratio that is wanted at most."""

    name: str
    ours: Measured
    other: Measured
    aim: float | None = None

    @property
    def ratio(self) -> float:
        return self.ours.median / self.other.median


def take_turns(
    name: str,
    ours: Side,
    other: Side,
    *,
    rounds: int,
    aim: float | None = None,
    tell: Callable[[str], None] = lambda _text: None,
) -> Comparison:
    """Measure both sides in turn; the first turn of each is left out."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for index in range(rounds + 1):
        tell(f"{name}: {f'round {index} of {rounds}' if index else 'warm-up'}")
        for side, found in zip((ours, other), seconds, strict=True):
            found.append(side.turn())
    return Comparison(
        name=name,
        ours=Measured(ours.name, ours.does, seconds[0][1:]),
        other=Measured(other.name, other.does, seconds[1][1:]),
        aim=aim,
    )


def table(comparisons: Sequence[Comparison]) -> str:
    """Both sides of each comparison, and below them what each does."""
    header = ("", "seconds", "min", "max", "ratio", "aim")
    rows = [row for one in comparisons for row in _rows(one)]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    ]
    sides = {side.name: side.does for one in comparisons for side in (one.ours, one.other)}
    return "\n".join([*lines, "", *(f"{name}: {does}" for name, does in sides.items())])


def _rows(one: Comparison) -> list[tuple[str, ...]]:
    aim = "" if one.aim is None else f"<= {one.aim:g} {'met' if one.ratio <= one.aim else 'MISSED'}"
    return [
        (f"{one.name}: {side.name}", *_seconds(side), *last)
        for side, last in ((one.ours, (f"{one.ratio:.2f}", aim)), (one.other, ("", "")))
    ]


def _seconds(side: Measured) -> tuple[str, str, str]:
    low, high = min(side.seconds), max(side.seconds)
    return f"{side.median:.2f}", f"{low:.2f}", f"{high:.2f}"
