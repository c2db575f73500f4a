"""Versions as tuples of numbers, and ranges of them."""

import re
from dataclasses import dataclass

Version = tuple[int, int, int]

_NUMBERS = re.compile(r"(?<![\d.])v?(\d+)\.(\d+)(?:\.(\d+))?")


def find(text: str) -> Version | None:
    """Read the first version that stands in a text; a missing patch number is 0."""
    if (match := _NUMBERS.search(text)) is None:
        return None
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch or 0)


def show(version: Version) -> str:
    return ".".join(str(number) for number in version)


@dataclass(frozen=True)
class Range:
    """From a version, included, up to another, excluded."""

    first: Version
    below: Version

    def holds(self, version: Version) -> bool:
        return self.first <= version < self.below

    def __str__(self) -> str:
        return f">= {show(self.first)}, < {show(self.below)}"


def same_minor(pin: Version) -> Range:
    major, minor, _ = pin
    return Range((major, minor, 0), (major, minor + 1, 0))
