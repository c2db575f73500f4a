"""A rehearsal from its beginning to its end."""

import sys
import time
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import yaml

from components import gateways
from embedded.cluster import Cluster
from rehearsal import conditions, program, report, scene, script
from rehearsal.scene import Scene
from rehearsal.script import Script
from rehearsal.stage import DEFINITION, PAUSE_SECONDS, Stage, anything, surroundings, undefined
from stack.kinds import Provider
from stack.plan import Gateway
from stack.releases import releases
from tools.places import Places
from tools.stack import ACTIONS, Pulumi

SIMULATED = "pods of a rehearsal are to be placed, not to run"
SERVED = frozenset({*conditions.WANTED, "DestinationRule"})
"""Kinds that a Gateway's control plane acts on."""
QUIET_SECONDS = 5.0
"""Without any change, after which what is missing will not come."""
MOST_SECONDS = 60.0


def rehearse(stack: str, places: Places, folder: Path, cluster: Cluster) -> bool:
    """Whether all went well; StackError, Missing and ClusterError where it could not begin.

    `folder` is empty, and is left for others to remove; so is the `cluster`, with its nodes.
    """
    file: dict[str, Any] = yaml.safe_load((places.root / f"Pulumi.{stack}.yaml").read_text())
    read = script.read(stack, file.get("config") or {}, cluster.kubeconfig)
    _tell(report.opening(read))
    stage = Stage(cluster)
    there = surroundings(read, releases()[read.release].crds)
    unchecked = undefined(read.plan, there)
    there += map(anything, unchecked)
    stage.set(read, there)
    before = stage.inventory()
    pulumi = _project(stack, read, places, folder)
    problems = _act(pulumi, "up")
    shown = settled(stage)
    _tell(["", *report.placements(shown), ""])
    objects = pulumi.objects()
    if kinds := sorted(one.name for one in unchecked):
        _tell([f"not checked, since their definitions are not to be had: {', '.join(kinds)}"])
    controlled = isinstance(read.plan.entrance, Gateway) and bool(read.plan.providers.charts)
    _tell(report.accepted(objects, [*there, *objects], SERVED if controlled else frozenset()))
    _tell(_named("warning", stage.warnings(objects)) or ["warnings of the API server: none"])
    problems += shown.problems
    if controlled:
        problems += in_force(stage)
    problems += _act(pulumi, "down")
    after = left(stage, before, theirs := leaves(read))
    problems += (f"left behind: {one}" for one in after if not stays(one, theirs))
    if definitions := sum(one.startswith(DEFINITION) for one in after):
        _tell([f"definitions that stay, since others on the cluster may use them: {definitions}"])
    if made := [one for one in after if _name(one) in theirs]:
        _tell([f"made by the gateway's control plane, and not taken along: {', '.join(made)}"])
    _tell(_named("problem", problems) or ["all pods are placed; destroyed, and nothing is left"])
    return not problems


def settled(stage: Stage) -> Scene:
    """What it comes to: as soon as nothing is missing, or when nothing changes any more."""
    began = changed = time.monotonic()
    before: Scene | None = None
    while True:
        objects = stage.get(scene.KINDS)
        stage.provision(objects)
        shown = scene.read(objects)
        now = time.monotonic()
        if shown != before:
            before, changed = shown, now
        if not shown.problems or now > min(changed + QUIET_SECONDS, began + MOST_SECONDS):
            return shown
        time.sleep(PAUSE_SECONDS)


def in_force(stage: Stage) -> list[str]:
    """What the Gateway's controller has not said yet of it, its routes and pools, at last."""
    deadline = time.monotonic() + MOST_SECONDS
    while True:
        found = [*conditions.problems(stage.get(conditions.KINDS))]
        if not found:
            _tell(["Gateway, routes and pools: in force, says their controller"])
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(PAUSE_SECONDS)


def leaves(read: Script) -> AbstractSet[str]:
    """Names of what the stack's control plane is known to leave."""
    provider = gateways.kinds()[read.plan.providers.gateway]
    return provider.leaves if isinstance(provider, Provider) else frozenset()


def stays(one: str, theirs: AbstractSet[str]) -> bool:
    return one.startswith(DEFINITION) or _name(one) in theirs


def _name(one: str) -> str:
    return one.rpartition(" ")[2].rpartition("/")[2]


def left(stage: Stage, before: Mapping[str, str], theirs: AbstractSet[str]) -> list[str]:
    """What is there that was not there before, once nothing more goes but what may stay."""
    deadline = time.monotonic() + MOST_SECONDS
    while True:
        there = stage.inventory()
        found = sorted(there[uid] for uid in there.keys() - before.keys())
        goes = [one for one in found if not stays(one, theirs)]
        if not goes or time.monotonic() > deadline:
            return found
        time.sleep(PAUSE_SECONDS)


def _project(stack: str, read: Script, places: Places, folder: Path) -> Pulumi:
    """A Pulumi project in the folder: the stack alone, with a backend that goes with it."""
    ours: dict[str, Any] = yaml.safe_load((places.root / "Pulumi.yaml").read_text())
    ours["runtime"]["options"]["virtualenv"] = str(places.venv)
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(ours))
    (folder / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": dict(read.config)}))
    (folder / "__main__.py").symlink_to(program.__file__)
    own = Places(root=folder, cache=places.cache)
    own.backend.mkdir(parents=True)
    pulumi = Pulumi(stack, own)
    pulumi.env.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
    pulumi.env |= {
        "PULUMI_BACKEND_URL": own.backend.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PYTHONPATH": str(places.root),
    }
    pulumi.select()
    return pulumi


def _act(pulumi: Pulumi, action: str) -> list[str]:
    """What is wrong if it fails; then Pulumi's own words are shown too."""
    _tell([f"{action} …"])
    said = pulumi.places.state / f"{action}.log"
    with said.open("w") as log:
        code = pulumi.stream(*ACTIONS[action], "--suppress-progress", out=log)
    if pulumi.interrupted:
        raise KeyboardInterrupt
    if not code:
        return []
    _tell(report.diagnostics(said.read_text().splitlines()))
    return [f"{action} has failed: Pulumi says above what was refused, and why"]


def _named(name: str, lines: Iterable[str]) -> list[str]:
    return [f"{name}: {line}" for line in lines]


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
