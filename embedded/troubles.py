"""What a person should know of a cluster that is up, but does not do all that it was told."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SIMULATED = "llm-d.ai/node-agent-reason"
"""A pod's annotation: why its containers do not run on this machine."""
SERVED = "Served"
"""A Service's condition: whether it is answered at its addresses."""
NAMED = 3
"""Pods that a line names before it counts them."""


def troubles(objects: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each thing that is wrong with pods and Services, whoever is concerned by it."""
    pods = [one for one in objects if one["kind"] == "Pod"]
    because: dict[str, list[str]] = {}
    for one in pods:
        if reason := one["metadata"].get("annotations", {}).get(SIMULATED):
            because.setdefault(reason, []).append(one["metadata"]["name"])
    for reason, names in because.items():
        yield f"{_simulated(names, of=len(pods))}: {reason}"
    for one in objects:
        for condition in one["status"].get("conditions", ()) if one["kind"] == "Service" else ():
            if condition["type"] == SERVED and condition["status"] == "False":
                yield f"Service {one['metadata']['name']} is not served: {condition['message']}"


def _simulated(names: Sequence[str], *, of: int) -> str:
    if len(names) == of:
        return "all pods are simulated, and answer nothing"
    if len(names) == 1:
        return f"pod {names[0]} is simulated, and answers nothing"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"pods {', '.join(names[:NAMED])}{more} are simulated, and answer nothing"
