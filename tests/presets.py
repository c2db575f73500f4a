"""Stacks that each preset of the endpoint picker fits."""

from typing import Any

from test_bad_input import MODEL

NEEDED: dict[str, dict[str, Any]] = {
    "prefill-decode": {"prefill": {}},
    "lora-affinity": {"adapters": [{"name": "tuned", "source": "hf://someone/tuned"}]},
}
"""Preset -> what a model has to say beside it."""


def fitting(preset: str) -> dict[str, Any]:
    """What differs from a good stack, so that its model may have the preset."""
    # The simulator has no KV cache for the precise one to listen to.
    model = MODEL | {"scheduler": {"preset": preset}} | NEEDED.get(preset, {})
    return {"hardware": "cuda", "models": [model]}
