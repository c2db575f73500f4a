"""Keep secrets out of what is shown: the log, and the texts of errors."""

from collections.abc import Iterable, Mapping, Sequence

from pulumi.provider.experimental.property_value import PropertyValue

MASK = "[secret]"
SHORTEST_SECRET = 3
"""Masking shorter ones would mask half of what is said; the engine draws the same line."""
SHORTEST_SECRET_LINE = 8


def secrets(values: Iterable[PropertyValue], *, inside: bool = False) -> frozenset[str]:
    """Texts that must not be shown: each secret string, and the lines of one that has several."""
    found: set[str] = set()
    for value in values:
        secret = inside or value.is_secret
        match value.value:
            case str() as text if secret:
                lines = {line.strip() for line in text.splitlines()}
                found |= {text, *(line for line in lines if len(line) >= SHORTEST_SECRET_LINE)}
            case Mapping() as items:
                found |= secrets(items.values(), inside=secret)
            case Sequence() as items if not isinstance(items, str):
                found |= secrets(items, inside=secret)
            case _:
                pass
    return frozenset(text for text in found if len(text) >= SHORTEST_SECRET)


def masked(text: str, hidden: Iterable[str]) -> str:
    """`text` with each of `hidden` masked, the longest first: one may be part of another."""
    for secret in sorted(hidden, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
