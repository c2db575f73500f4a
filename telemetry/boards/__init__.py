"""Dashboards: one module each, holding one `board`."""

import pkgutil
from functools import cache
from importlib import import_module
from typing import Protocol

from stack.picker_metrics import PickerMetrics
from telemetry.panels import Board


class Make(Protocol):
    def __call__(self, picker: PickerMetrics) -> Board: ...


@cache
def makers() -> tuple[Make, ...]:
    """Every board, by its module's name."""
    return tuple(
        import_module(f"{__name__}.{module.name}").board
        for module in pkgutil.iter_modules(__path__)
    )


def boards(picker: PickerMetrics) -> tuple[Board, ...]:
    """For a release whose endpoint picker calls its metrics so."""
    return tuple(make(picker) for make in makers())
