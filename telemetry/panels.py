"""A dashboard's parts, before they are Grafana's or a picture's."""

from dataclasses import dataclass
from enum import StrEnum

SCOPE = 'namespace="$namespace",pool=~"$pool"'
"""Labels of the series that a dashboard is about; they come from the monitors."""
RATE = "$__rate_interval"
"""Grafana's word for the shortest window that holds enough samples."""

SERVER_ERRORS = "http_requests_total"
"""vLLM's answers, by `handler` and by class of their `status`, such as `5xx`."""


class Unit(StrEnum):
    """As Grafana calls them."""

    SECONDS = "s"
    SHARE = "percentunit"
    REQUESTS = "reqps"
    RATE = "cps"
    COUNT = "short"
    BYTES = "bytes"
    DOLLARS = "currencyUSD"


@dataclass(frozen=True)
class Query:
    expr: str
    legend: str
    """With labels as `{{pod}}`."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    title: str
    says: str
    """What to read off it, for somebody who has not seen it before."""
    unit: Unit
    queries: tuple[Query, ...]
    needs: str = ""
    """Why it may be empty on a stack that is well: what has to be there for it."""


@dataclass(frozen=True, kw_only=True)
class Board:
    name: str
    """Ends the name of its ConfigMap, and is its address in Grafana."""
    title: str
    panels: tuple[Panel, ...]


def quantiles(histogram: str, *, by: str = "", scope: str = SCOPE) -> tuple[Query, ...]:
    """Median and the two that objectives are about, over all pods or by a label."""
    labels = f"le,{by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    return tuple(
        Query(
            f"histogram_quantile({share}, "
            f"sum by ({labels}) (rate({histogram}_bucket{{{scope}}}[{RATE}])))",
            f"p{share * 100:.0f}{legend}",
        )
        for share in (0.5, 0.95, 0.99)
    )


def rate(counter: str, *, by: str, scope: str = SCOPE) -> str:
    """A second, of all series that have the labels `by` in common."""
    return f"sum by ({by}) (rate({counter}{{{scope}}}[{RATE}]))"


def filled(query: str, base: str) -> str:
    """Zero where only `base` has series: a counter of what has never happened is not there."""
    return f"({query} or 0 * {base})"
