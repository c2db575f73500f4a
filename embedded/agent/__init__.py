"""The node agent: it runs the containers of pods as programs of this machine.

    watches ----> pod (a thread each) ----> decide ----> machine        what runs
     what the      what is done about it     pure        no Kubernetes
     cluster says        |
                         +----> status, events                          what the cluster is told
    services ----> machine.forward                                      who answers at an address

A pod whose containers have no program on this machine is left to kwok, which fakes it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from embedded.agent.machine import Machine, MachineError

EGRESS = "egress.sock"
"""In the cluster's folder: where the API server asks for its way to pods and Services."""


def this_machine(root: Path, *, trees: Sequence[Path] = ()) -> Machine:
    """This machine, whose traces for the cluster in `root` lie there; MachineError where none.

    `trees` are what containers see of it beside the operating system.
    """
    if sys.platform != "linux":
        raise MachineError("containers need Linux's namespaces, and this is not Linux")
    from embedded.agent.linux import Linux  # noqa: PLC0415 - cannot be imported elsewhere

    return Linux(root / "machine", trees=trees)
