"""A cluster that is there: the stack says which context of the kubeconfig it is."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pulumi
import yaml
from pydantic import Field

from components.clusters import Access, Kind
from stack import config, plan
from stack.hardware import Hardware
from stack.kinds import ServiceType
from stack.machine import Address, MachineNeeds
from stack.platforms import PLATFORMS, Platform, PlatformName
from stack.problems import unknown, wrong

ASK_SECONDS = 5


class Reached(config.Cluster):
    """How a cluster is reached that someone else made, and what is known of it."""

    context: str
    """Of the kubeconfig; never the current one, so that a stack cannot land elsewhere."""
    kubeconfig: str | None = None
    """Path; left out, what $KUBECONFIG says, or ~/.kube/config."""
    nodes: config.Nodes | None = None
    """What the cluster has for pods; left out, nothing is checked against it."""
    version: Annotated[str, Field(pattern=r"^1\.\d+(\.\d+(-gke\.\d+)?)?$")] | None = None
    """Of Kubernetes, like 1.33 or 1.34.0-gke.1626000; left out, nothing is checked against it."""


class Settings(Reached):
    """A cluster that someone else made."""

    kind: Literal["existing"]
    platform: PlatformName = "kubernetes"
    """Whose Kubernetes it is: what comes with the cluster is not the stack's to install."""


def connect(name: str, cluster: plan.Cluster, opts: pulumi.ResourceOptions) -> Access:
    settings = cluster.settings
    assert isinstance(settings, Reached)  # noqa: S101 - the plan chose this kind by it
    return Access(kubeconfig=settings.kubeconfig, context=settings.context, owner=None)


def nodes(settings: Reached, hardware: Hardware) -> config.Nodes | None:
    return settings.nodes


def platform(settings: Settings) -> Platform:
    return PLATFORMS[settings.platform]


def is_there(settings: Reached) -> bool:
    return any(contexts_of(path) for path in files(settings))


def problems(settings: Reached) -> Iterator[str]:
    """A kubeconfig without the context. None at all is fine: a preview needs no cluster."""
    contexts: set[str] = set()
    for path in files(settings):
        try:
            contexts |= contexts_of(path)
        except (OSError, yaml.YAMLError) as error:
            yield wrong("cluster.kubeconfig", str(path), f"a kubeconfig: {error}")
            return
    if contexts and settings.context not in contexts:
        yield unknown("cluster.context", settings.context, contexts)
    elif not contexts and settings.kubeconfig:
        yield wrong("cluster.kubeconfig", settings.kubeconfig, "a kubeconfig that has contexts")
    elif not contexts and not pulumi.runtime.is_dry_run():
        yield wrong(
            "cluster.context",
            settings.context,
            "a context of your kubeconfig, and there is none: set KUBECONFIG or "
            "`cluster.kubeconfig`, or create the cluster first",
        )


def serves(cluster: plan.Cluster, api: str) -> bool:
    """A preview needs no cluster: one that does not answer counts as one that knows it."""
    settings = cluster.settings
    assert isinstance(settings, Reached)  # noqa: S101 - the plan chose this kind by it
    if not any(settings.context in contexts_of(path) for path in files(settings)):
        return True
    where = [f"--kubeconfig={settings.kubeconfig}"] if settings.kubeconfig else []
    return knows(api, *where, f"--context={settings.context}")


def knows(api: str, *where: str) -> bool:
    """Whether a cluster serves objects of an API; yes where it does not answer."""
    try:
        asked = subprocess.run(  # noqa: S603 - our words, and no shell reads them
            [
                *("kubectl", *where, "get", "--raw", f"/apis/{api}"),
                f"--request-timeout={ASK_SECONDS}s",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * ASK_SECONDS,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return True
    return asked.returncode == 0 or "NotFound" not in asked.stderr


def files(settings: Reached) -> list[Path]:
    """The kubeconfig files that are there, as kubectl looks for them."""
    said = settings.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    paths = (Path(part).expanduser() for part in said.split(os.pathsep) if part)
    return [path for path in paths if path.is_file()]


def contexts_of(path: Path) -> set[str]:
    return {str(one.get("name")) for one in _document(path).get("contexts") or ()}


def needs(settings: Reached) -> MachineNeeds:
    """The program that signs in to it, where its kubeconfig names one; pods are elsewhere."""
    documents = [_document(path) for path in files(settings)]
    context = _entry(documents, "context", settings.context)
    user = _entry(documents, "user", str(context.get("user")))
    signs_in: dict[str, str] = user.get("exec") or {}
    address = Address(kubeconfig=settings.kubeconfig, context=settings.context)
    return MachineNeeds(
        tools=(signs_in["command"],) if "command" in signs_in else (),
        version=settings.version,
        asks=address if context else None,
    )


def _document(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text()) or {}


def _entry(documents: list[dict[str, Any]], what: str, name: str) -> dict[str, Any]:
    """Of one name in several files kubectl takes the first."""
    for document in documents:
        for one in document.get(f"{what}s") or ():
            if one.get("name") == name:
                return one.get(what) or {}
    return {}


KIND = Kind(
    settings=Settings,
    nodes=nodes,
    problems=problems,
    service_type=ServiceType.CLUSTER_IP,
    platform=platform,
    is_there=is_there,
    needs=needs,
    connect=connect,
    serves=serves,
)
