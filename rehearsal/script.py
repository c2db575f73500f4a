"""What a rehearsal deploys: the stack as its file says it, but for the cluster. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from components import clusters, gateways
from components.clusters import embedded
from embedded.cluster import CONTEXT, Node
from stack import config, hardware, reading, scaling
from stack.kinds import ClusterKind, Provider
from stack.plan import Plan
from stack.problems import StackError

PREFIX = "llm-d:"
CHARTS = Path(__file__).resolve().parents[1] / embedded.CHARTS
OPERATOR = "the chart of monitoring, in whose place definitions of monitors are there before"
STAND_IN = "stands-in-for-a-secret"
KIND = "existing"
"""What the stack's cluster is for the time being: its objects are removed one by one again."""
MACHINES = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""How many are tried where the stack file does not say, before the scheduler has to tell why."""


@dataclass(frozen=True, kw_only=True)
class Script:
    config: Mapping[str, Any]
    """Of the rehearsal's own stack file."""
    release: str
    plan: Plan
    nodes: tuple[Node, ...]
    declared: bool
    """Whether the stack file says which nodes there are."""
    stand_ins: tuple[str, ...]
    """Keys of secrets whose value is not the user's."""
    left_out: tuple[str, ...]
    """What the stack installs and a rehearsal does not."""


def read(stack: str, said: Mapping[str, Any], kubeconfig: Path) -> Script:
    """`said` is the `config` of the stack's file. StackError tells what is wrong with it."""
    known = {**clusters.kinds()}
    blocks = {
        key.removeprefix(PREFIX): reading.value(one)
        for key, one in said.items()
        if key.startswith(PREFIX) and key.removeprefix(PREFIX) not in config.SECRETS
    }
    words = reading.shape(blocks, clusters=known, gateways=gateways.kinds())
    kind = known[words.cluster.kind]
    nodes = kind.nodes(words.cluster, hardware.targets()[words.hardware])
    # The kubeconfig is written when the control plane is made.
    known[KIND] = replace(known[KIND], problems=_none)
    secrets = frozenset({"hfToken"} if f"{PREFIX}hfToken" in said else ())

    def planned(nodes: config.Nodes | None, secrets: frozenset[str]) -> Plan:
        return reading.read(
            blocks | elsewhere(words, kind, nodes, kubeconfig),
            name=stack,
            secrets=secrets,
            clusters=known,
            gateways=gateways.kinds(),
        )

    try:
        plan = planned(nodes, secrets)
    except StackError:
        # Whoever deploys it has a token, which need not stand in the file.
        secrets = frozenset({"hfToken"})
        plan = planned(nodes, secrets)

    def fits(tried: config.Nodes) -> bool:
        try:
            return bool(planned(tried, secrets))
        except StackError:
            return False

    machines = nodes or enough(plan, fits)
    own = blocks | elsewhere(words, kind, nodes, kubeconfig) | dict.fromkeys(secrets, STAND_IN)
    return Script(
        config={
            **{key: without_secrets(one) for key, one in said.items()},
            **{f"{PREFIX}{key}": one for key, one in own.items()},
        },
        release=words.release,
        plan=plan,
        nodes=tuple(
            Node(**cast("dict[str, Any]", one))
            for one in embedded.simulated(replace(plan.cluster, nodes=machines))
        ),
        # Only the embedded cluster has some whatever the file says.
        declared=nodes is not None
        and (not kind.is_local or getattr(words.cluster, "nodes", None) is not None),
        stand_ins=tuple(sorted(secrets)),
        left_out=(OPERATOR,) if words.monitoring.prometheus == "install" else (),
    )


def _none(_settings: config.Cluster) -> Iterator[str]:
    return iter(())


def enough(plan: Plan, fits: Callable[[config.Nodes], bool]) -> config.Nodes:
    """Machines as the hardware is usually sold, as many as the stack needs."""
    sold = embedded.nodes(embedded.Settings(kind="embedded"), plan.cluster.hardware)
    tried = (sold.model_copy(update={"count": count}) for count in MACHINES)
    return next((one for one in tried if fits(one)), sold)


def elsewhere(
    words: config.Stack, kind: ClusterKind[Any], nodes: config.Nodes | None, kubeconfig: Path
) -> dict[str, Any]:
    """The blocks that differ for the rehearsal's cluster to be as the stack's own.

    Nothing is built: simulated nodes run no image.
    """
    here = {"kind": KIND, "context": CONTEXT, "kubeconfig": str(kubeconfig)}
    cluster = _said(words.cluster) if words.cluster.kind == KIND else {}
    if nodes:
        cluster["nodes"] = _said(nodes)
    return {
        "cluster": cluster | here,
        "gateway": _gateway(words, kind),
        **_monitoring(words),
        **({"images": {}} if words.images.build else {}),
    }


def _monitoring(words: config.Stack) -> dict[str, Any]:
    """As if the Prometheus were there before: what would make its pods has no program here."""
    if words.monitoring.prometheus != "install":
        return {}
    there = {"prometheus": "operator", "prometheusUrl": scaling.url(words)}
    return {"monitoring": _said(words.monitoring) | there}


def _gateway(words: config.Stack, kind: ClusterKind[Any]) -> dict[str, Any]:
    """With a control plane from this machine, or none where it has no program here."""
    said, provider = _said(words.gateway), gateways.kinds()[words.gateway.provider]
    if kind.is_local:
        said = {"service": kind.service_type.value, **said}
    match provider:
        case Provider(simulated=""):
            return {**said, "controlPlane": True, "charts": str(CHARTS)}
        case Provider(platform=None):
            return {**said, "controlPlane": False}
        case _:
            return said


def _said(section: config.Section) -> dict[str, Any]:
    """As a stack file would have it."""
    return section.model_dump(by_alias=True, exclude_defaults=True)


def without_secrets(said: Any) -> Any:
    """The same with words in place of what is encrypted for the stack's own state."""
    if isinstance(said, dict):
        block = cast("dict[str, Any]", said)
        if block.keys() == {"secure"}:
            return STAND_IN
        return {key: without_secrets(one) for key, one in block.items()}
    if isinstance(said, list):
        return [without_secrets(one) for one in cast("list[Any]", said)]
    return said
