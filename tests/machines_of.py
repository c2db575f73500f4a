"""Clusters of given machines, for stacks that are sized for them."""

from typing import Any


def machines(
    count: int = 1, cpu: str = "200", memory: str = "1800Gi", **more: object
) -> dict[str, Any]:
    return {"kind": "embedded", "nodes": {"count": count, "cpu": cpu, "memory": memory, **more}}


H100 = machines(2, devices=8, accelerator="h100-80gb")
"""Two machines of eight."""
