"""Kubernetes quantities: `500m` cores, `64Gi` of memory."""

import re
from collections.abc import Mapping
from decimal import Decimal

_UNITS = {
    "m": Decimal("0.001"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
}  # fmt: skip

PATTERN = r"^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"


def parse(quantity: str) -> Decimal:
    """`500m` -> 0.5, `2Gi` -> 2147483648. ValueError for anything else."""
    if not (found := re.fullmatch(r"(\d+(?:\.\d+)?)([a-zA-Z]*)", quantity)):
        raise ValueError(f"`{quantity}` is not a Kubernetes quantity")
    number, unit = found.groups()
    if unit not in _UNITS:
        raise ValueError(f"`{quantity}` is not a Kubernetes quantity")
    return Decimal(number) * _UNITS[unit]


def parse_all(quantities: Mapping[str, str]) -> dict[str, Decimal]:
    return {kind: parse(quantity) for kind, quantity in quantities.items()}


def listed(amounts: Mapping[str, Decimal]) -> str:
    """`cpu 0.5, memory 3Gi`."""
    return ", ".join(f"{kind} {shown(amount)}" for kind, amount in amounts.items())


def shown(amount: Decimal) -> str:
    for unit, size in (("Gi", 2**30), ("Mi", 2**20)):
        if amount >= size:
            return f"{amount / size:.4g}{unit}"
    return f"{amount.normalize():f}"
