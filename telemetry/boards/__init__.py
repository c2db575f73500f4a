"""Dashboards: one module each, holding one `board`."""

import pkgutil
from functools import cache
from importlib import import_module
from typing import Protocol

from stack.plan import Metrics
from telemetry.panels import Board


class Make(Protocol):
    def __call__(self, metrics: Metrics) -> Board: ...


@cache
def makers() -> tuple[Make, ...]:
    """Every board, by its module's name."""
    return tuple(
        import_module(f"{__name__}.{module.name}").board
        for module in pkgutil.iter_modules(__path__)
    )


def boards(metrics: Metrics) -> tuple[Board, ...]:
    """For a stack whose endpoint pickers and proxies call their metrics so."""
    return tuple(make(metrics) for make in makers())
