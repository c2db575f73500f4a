"""An OpenShift cluster that is there, reached by the login that `oc` keeps in a kubeconfig."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import pulumi

from components.clusters import Kind, existing
from machines.openshift import whoami
from stack.kinds import ServiceType
from stack.machine import MachineNeeds
from stack.platforms import PLATFORMS, Platform
from stack.problems import wrong


class Settings(existing.Reached):
    """An OpenShift cluster that someone else made."""

    kind: Literal["openshift"]


def platform(settings: Settings) -> Platform:
    return PLATFORMS["openshift"]


def needs(settings: Settings) -> MachineNeeds:
    return replace(existing.needs(settings), useful=("oc",))


def problems(settings: Settings) -> Iterator[str]:
    """Of the kubeconfig; and before an update, whether the login in it is still alive."""
    found = [*existing.problems(settings)]
    yield from found
    if found or pulumi.runtime.is_dry_run():
        return
    if why := whoami(settings.context, settings.kubeconfig):
        yield wrong(
            "cluster.context",
            settings.context,
            f"a login that is alive: `oc login` anew ({why})",
        )


KIND = Kind(
    settings=Settings,
    nodes=existing.nodes,
    problems=problems,
    service_type=ServiceType.CLUSTER_IP,
    platform=platform,
    is_there=existing.is_there,
    needs=needs,
    connect=existing.connect,
    serves=existing.serves,
)
