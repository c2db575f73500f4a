"""Machines that a preflight may find itself on, and stacks that are to be deployed from them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from test_bad_input import SHAPE

from components import clusters, gateways
from preflight.facts import MAC, Engine, Facts, Silent, Virtual
from preflight.needs import GIB, Needs, building, needs
from preflight.rows import Row, State, rows
from stack import config
from stack.planner import plan

DOCKER = Engine(version="28.5.1", cpus=16, memory=64 * GIB, is_virtual=False, root="/docker")
PODMAN = replace(DOCKER, version="5.7.0", root="/podman")
TOOLS = frozenset({"kind", "kubectl", "minikube"})

LINUX = Facts(
    system="Linux",
    arch="amd64",
    cpus=16,
    memory=64 * GIB,
    available=60 * GIB,
    disk=500 * GIB,
    instructions=frozenset({"avx2", "avx512f", "avx512_bf16"}),
    programs=TOOLS,
    engines={"docker": DOCKER},
)
LINUX_ARM = replace(LINUX, arch="arm64", instructions=frozenset({"asimd", "bf16"}))
DESKTOP = replace(DOCKER, cpus=10, memory=30 * GIB, is_virtual=True, root=None)
"""Docker in its virtual machine."""
APPLE = replace(
    LINUX,
    system=MAC,
    arch="arm64",
    cpus=12,
    memory=36 * GIB,
    available=None,
    instructions=frozenset({"arm64"}),
    engines={"docker": DESKTOP},
)
INTEL_MAC = replace(APPLE, arch="amd64", instructions=frozenset({"avx512f"}))
GUIDE = Virtual(cpus=10, memory=28672, disk=120, rootful=True, state="running")
"""The Podman machine of the guide for minikube."""
ASLEEP = Silent(why="Cannot connect to Podman")


def on_podman(facts: Facts, machine: Virtual | None = GUIDE) -> Facts:
    """A Mac whose Podman answers if it has a machine."""
    engine = replace(PODMAN, is_virtual=True, root=None) if machine else ASLEEP
    return replace(facts, engines={"podman": engine}, podman_machine=machine)


MINIKUBE: dict[str, Any] = {"kind": "minikube", "cpus": 8, "memory": "24Gi", "disk": "100Gi"}
KIND: dict[str, Any] = {"kind": "kind"}
MODEL: dict[str, Any] = {"name": "HuggingFaceTB/SmolLM2-360M-Instruct", "replicas": 2}


def wanted(
    cluster: dict[str, Any] = MINIKUBE,
    hardware: str = "cpu",
    gated: tuple[str, ...] = (),
    **more: object,
) -> Needs:
    """What the guides' stack needs, or one that differs from it."""
    kinds = {name: replace(one, problems=_none) for name, one in clusters.kinds().items()}
    said = {"cluster": cluster, "hardware": hardware, "models": [MODEL], **more}
    made = plan(
        SHAPE.model_validate(said),
        name="test",
        secrets=frozenset({"hfToken"}),
        clusters=kinds,
        gateways=gateways.kinds(),
    )
    machine = kinds[made.cluster.kind].needs(made.cluster.settings)
    return needs(made, building(made, machine), gated)


def _none(_settings: config.Cluster) -> Iterator[str]:
    return iter(())


def found(needs: Needs, facts: Facts) -> dict[str, Row]:
    listed = [*rows(needs, facts)]
    named = {row.what: row for row in listed}
    assert len(named) == len(listed)
    return named


def missing(needs: Needs, facts: Facts) -> dict[str, str]:
    """What stops an update -> the way out."""
    return of(State.MISSING, needs, facts)


def warned(needs: Needs, facts: Facts) -> dict[str, str]:
    return of(State.WARNING, needs, facts)


def of(state: State, needs: Needs, facts: Facts) -> dict[str, str]:
    return {name: row.mend for name, row in found(needs, facts).items() if row.state is state}
