"""Whether a model fits on an accelerator, and what it serves there: memory of a vLLM replica.

    config.json --Shape--.
    accelerator --Device--+--fit--> Fit --> explain, changes, auto, difference
    arguments --Settings--'

Bytes throughout, as floats. Memory only: how fast it answers has to be measured.
"""

from stack.capacity.choice import Change, Room, Sizing, auto, changes, served
from stack.capacity.device import DEVICES, Device, Overheads, cpu
from stack.capacity.fit import Fit, Problem, Settings, explain, fit, longest
from stack.capacity.shape import Cache, Shape, models

__all__ = [
    "DEVICES",
    "Cache",
    "Change",
    "Device",
    "Fit",
    "Overheads",
    "Problem",
    "Room",
    "Settings",
    "Shape",
    "Sizing",
    "auto",
    "changes",
    "cpu",
    "explain",
    "fit",
    "longest",
    "models",
    "served",
]
