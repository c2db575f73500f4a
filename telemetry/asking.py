"""Asks a Prometheus over HTTP."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SECONDS = 10.0


class AskingError(Exception):
    """Prometheus does not answer, or not to this question; in one line."""


@dataclass(frozen=True)
class Series:
    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]
    """Seconds since 1970, and the value then; not a number where nothing can be said."""


@dataclass(frozen=True)
class Prometheus:
    url: str

    def now(self, expr: str) -> list[Series]:
        """Each series with its one value."""
        found = self.ask("query", query=expr)["result"]
        return [Series(one["metric"], (_point(*one["value"]),)) for one in found]

    def over(self, expr: str, begin: float, end: float, step: float) -> list[Series]:
        """Between two times, every `step` seconds."""
        found = self.ask("query_range", query=expr, start=begin, end=end, step=step)["result"]
        return [
            Series(one["metric"], tuple(_point(*point) for point in one["values"])) for one in found
        ]

    def ask(self, what: str, **parameters: object) -> Any:
        """What `/api/v1/<what>` has as data. AskingError where it has none."""
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 - the stack's
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refusal:
            with refusal:
                said: Any = json.load(refusal)
            raise AskingError(f"{parameters.get('query', what)}: {said['error']}") from None
        except OSError as problem:
            raise AskingError(f"Prometheus does not answer at {self.url}: {problem}") from problem


def _point(at: float, value: str) -> tuple[float, float]:
    return at, float(value)
