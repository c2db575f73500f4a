from collections.abc import Sequence

import pulumi

from components.front import Front
from components.gateway import Gateway
from stack import plan


def entrance(
    asked: plan.Front | plan.Gateway,
    *,
    pickers: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> Front | Gateway:
    """What requests for all models come in by; none do before the `pickers` are there."""
    match asked:
        case plan.Front():
            return Front("front", front=asked, pickers=pickers, opts=opts)
        case plan.Gateway():
            return Gateway("inference-gateway", gateway=asked, pickers=pickers, opts=opts)
