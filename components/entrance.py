from collections.abc import Sequence

import pulumi

from components.front import Front
from components.gateway import Gateway
from stack import plan


def entrance(
    asked: plan.Front | plan.Gateway,
    *,
    pickers: Sequence[pulumi.Resource],
    servers: Sequence[pulumi.CustomResource],
    opts: pulumi.ResourceOptions,
) -> Front | Gateway:
    """What requests for all models come in by; none do before the `pickers` are there, and none are
    answered before the `servers` are."""
    match asked:
        case plan.Front():
            return Front("front", front=asked, pickers=pickers, opts=opts)
        case plan.Gateway():
            return Gateway(
                "inference-gateway", gateway=asked, pickers=pickers, servers=servers, opts=opts
            )
