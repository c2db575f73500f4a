"""What a stack's models stand on: hardware, release and machines."""

from dataclasses import dataclass

from stack import config
from stack.capacity import Room
from stack.hardware import Feature, Hardware
from stack.releases import Release, Server
from stack.roles import Parallel


@dataclass(frozen=True, kw_only=True)
class Ground:
    hardware: str
    """The target's word."""
    target: Hardware
    release: Release
    nodes: config.Nodes | None
    """None where they are not known."""

    @property
    def server(self) -> Server:
        return self.release.servers[self.hardware]

    @property
    def on_node(self) -> int:
        """Devices of one node; where it is not known, of one as the target is usually sold."""
        return self.nodes.devices if self.nodes else self.target.node_devices

    @property
    def accelerator(self) -> str | None:
        """A word of `capacity.DEVICES`."""
        return (self.nodes and self.nodes.accelerator) or self.target.accelerator

    def room(self, parallel: Parallel) -> Room:
        """For tensor-parallel ranks: a replica that spans nodes has those of all of them."""
        count, each = self.nodes.count if self.nodes else parallel.nodes, parallel.nodes
        if not self.target.has_devices:
            return Room(nodes=count, devices=1)
        ranks = self.on_node * self.target.ranks_per_device
        return Room(nodes=count // each, devices=ranks * each)

    def allows(self, parallel: Parallel) -> bool:
        """Whether a replica may be laid out so."""
        if self.target.whole_nodes:
            return parallel.on_node == self.on_node * self.target.ranks_per_device
        split = parallel.tensor == 1 or Feature.TENSOR_PARALLEL not in self.target.lacks
        fits = self.target.devices(parallel.on_node) <= self.on_node
        return split and fits and parallel.ranks % parallel.nodes == 0
