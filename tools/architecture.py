"""Of this machine's CPUs, as Kubernetes and Go call it."""

import platform

_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
"""As kernels call them -> as Kubernetes does."""


def architecture() -> str:
    """Like amd64 or arm64; what has another name only here keeps it."""
    machine = platform.machine()
    return _NAMES.get(machine, machine)
