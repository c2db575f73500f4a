"""The machine that a planned stack is about to be created from."""

from dataclasses import replace
from pathlib import Path

from components import clusters
from preflight.look import look
from preflight.needs import needs
from preflight.rows import rows
from preflight.table import verdict
from stack.machine import Verdict
from stack.plan import Cluster, Plan


def check(plan: Plan) -> Verdict:
    """Look at what a deployment takes of this machine; at less where its cluster is there."""
    machine = clusters.kinds()[plan.cluster.kind].needs(plan.cluster.settings)
    wanted = needs(plan, machine)
    if not wanted.features:
        # No version of Kubernetes is too old: nobody need wait for the cluster to say its own.
        machine = replace(machine, asks=None)
    facts = look(machine, is_begun=is_begun(plan.cluster))
    return verdict(plan.name, [*rows(replace(wanted, machine=machine), facts)])


def is_begun(cluster: Cluster, root: Path = Path()) -> bool:
    """Whether the stack's own cluster is there, or half of it: what it takes is its own already."""
    return (root / cluster.state).is_dir()
