"""The machine that a planned stack is about to be created from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from components import clusters
from preflight.look import look
from preflight.needs import building, needs
from preflight.rows import rows
from preflight.table import verdict
from stack.machine import Verdict
from stack.plan import Cluster, Plan


def check(plan: Plan) -> Verdict:
    """Look at what a deployment takes of this machine; at less where its cluster is there."""
    machine = building(plan, kind_of(plan.cluster).needs(plan.cluster.settings))
    wanted = needs(plan, machine)
    if not wanted.features:
        # No version of Kubernetes is too old: nobody need wait for the cluster to say its own.
        machine = replace(machine, asks=None)
    facts = look(machine, is_there=is_there(plan.cluster))
    found = verdict(plan.name, [*rows(replace(wanted, machine=machine), facts)])
    # Who goes on with a cluster has heard before what may be wrong with it.
    return replace(found, warning="") if facts.is_there else found


def kind_of(cluster: Cluster) -> clusters.Kind[Any]:
    return clusters.kinds()[cluster.kind]


def is_there(cluster: Cluster, root: Path = Path()) -> bool:
    """Whether there is nothing to be made any more, or no more than what is half made."""
    return not kind_of(cluster).is_own(cluster.settings) or (root / cluster.state).is_dir()
