"""The pods of a model by the work they do, and how one replica of them is laid out."""

from collections.abc import Iterator
from dataclasses import dataclass

from stack import config


@dataclass(frozen=True, kw_only=True)
class Parallel:
    """How one replica is laid out over devices and machines."""

    tensor: int
    data: int
    nodes: int

    @property
    def ranks(self) -> int:
        """Devices of a replica."""
        return self.tensor * self.data

    @property
    def on_node(self) -> int:
        """Ranks of each of its pods."""
        return self.ranks // self.nodes


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a stack file asks of one role's pods, with what it leaves out."""

    role: str
    at: str
    """Of the role's keys, after the model's path."""
    replicas: int
    parallel: Parallel
    args: tuple[str, ...]
    """Beside the model's."""
    resources: config.Resources

    @property
    def pods(self) -> int:
        return self.replicas * self.parallel.nodes


def asked(model: config.Model) -> Iterator[Asked]:
    """Of each role, the one that answers first."""
    yield Asked(
        role="decode",
        at="",
        replicas=model.replicas,
        parallel=Parallel(
            tensor=model.tensor_parallel, data=model.data_parallel, nodes=model.nodes
        ),
        args=(),
        resources=model.resources,
    )
    if said := model.prefill:
        yield Asked(
            role="prefill",
            at=".prefill",
            replicas=said.replicas,
            parallel=Parallel(
                tensor=said.tensor_parallel or model.tensor_parallel,
                data=said.data_parallel or model.data_parallel,
                nodes=said.nodes or model.nodes,
            ),
            args=(*said.args,),
            resources=said.resources or model.resources,
        )
