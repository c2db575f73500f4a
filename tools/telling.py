"""What `make up` tells a person once the stack is up: how to ask its models, and what is wrong."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def told(
    outputs: Mapping[str, Any], *, simulated: bool = False, troubles: Sequence[str] = ()
) -> str:
    """From the stack's outputs, in full: Pulumi shows the beginning of a long one.

    `simulated` is said of a cluster on which nothing runs, and so nothing can be asked.
    """
    lines = [*(() if simulated else _how(outputs)), *(f"warning: {one}" for one in troubles)]
    return "".join(f"{line}\n" for line in lines)


def _how(outputs: Mapping[str, Any]) -> Iterator[str]:
    # Of an output that is nothing, nothing is kept.
    url: str | None = outputs.get("gatewayUrl")
    for model in outputs["models"]:
        yield f"{model} answers {f'at {url}' if url else 'inside the cluster'}"
    yield ""
    if url is None and (forward := outputs.get("portForwardCommand")):
        yield f"  {forward} &"
    yield f"  {outputs['exampleRequest']}"
    yield ""
    monitoring: Mapping[str, Any] = outputs.get("monitoring") or {}
    if at := monitoring.get("prometheusUrl"):
        yield f"Prometheus answers at {at}"
        yield f"Draw what it has seen: {monitoring['dashboardCommand']}"
    yield f"Ask it hop by hop, and hear what is wrong: {outputs['smokeTestCommand']}"
