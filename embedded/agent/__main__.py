"""`python -m embedded.agent ROOT WHY`: the node agent of the cluster whose folder is ROOT.

Unless WHY is empty, it is why all pods are simulated but those that control other objects.

It ends with its cluster. What it has running outlives it, and is taken over by the next.
"""

import logging
import os
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path

from embedded.agent import EGRESS, this_machine
from embedded.agent.api import Api, Mirror
from embedded.agent.events import Events
from embedded.agent.machine import Machine, MachineError
from embedded.agent.objects import Object, part
from embedded.agent.pod import ANNOTATION, SIMULATED, Node, Worker
from embedded.agent.programs import PROGRAMS, trees
from embedded.agent.services import POD_NETWORK, Services

CHECKS_AT_A_TIME = 16
FIRST_POD = 256
"""The first of the network's addresses are the nodes' own."""
ALIVE_SECONDS = 5.0

log = logging.getLogger(__name__)


class Addresses:
    """Hands out the pods' addresses; one that is free again is given away as late as can be."""

    def __init__(self, taken: dict[str, str]) -> None:
        self._taken = taken
        self._lock = threading.Lock()
        self._next = FIRST_POD

    def take(self, pod: str, had: str | None) -> str:
        with self._lock:
            others = {address for uid, address in self._taken.items() if uid != pod}
            if had and IPv4Address(had) in POD_NETWORK and had not in others:
                self._taken[pod] = had
            while pod not in self._taken:
                address = str(POD_NETWORK[self._next])
                self._next = (self._next + 1) % (POD_NETWORK.num_addresses - 1) or FIRST_POD
                if address not in others:
                    self._taken[pod] = address
            return self._taken[pod]

    def give_back(self, pod: str) -> None:
        with self._lock:
            self._taken.pop(pod, None)


class Agent:
    def __init__(self, root: Path, here: Machine | None, trouble: str) -> None:
        api = Api(root / "kubeconfig")
        self._folder = root / "pods"
        self._folder.mkdir(exist_ok=True)
        self._machine = here
        self._addresses = Addresses(dict(here.pods()) if here else {})
        self._workers: dict[str, Worker] = {}
        if here:
            here.tunnel(root / EGRESS)
        events = Events(api)
        services = Services(api, here, events, root / "load-balancer", balances=not trouble)
        self._node = Node(
            api=api,
            machine=here,
            trouble=trouble,
            events=events,
            checks=ThreadPoolExecutor(CHECKS_AT_A_TIME, thread_name_prefix="check"),
            services=services.all,
            take_address=self._addresses.take,
            free_memory=free_memory,
            added=set(self._machine.pods()) if self._machine else set(),
            folder=self._folder,
            logs=root / "logs",
            programs=PROGRAMS,
        )
        # A container is told of the Services that there are when it starts.
        services.wait()
        self._pods = Mirror(api, "/api/v1/pods", self._pod, fieldSelector="spec.nodeName!=")
        self._pods.synced.wait()
        self._forget()

    @property
    def lost(self) -> bool:
        """Whether the pods that run here are known to the machine no longer."""
        return bool(self._machine and self._node.added and not self._machine.pods())

    def _pod(self, pod: Object) -> None:
        """Called for every change of a pod, in the thread that watches."""
        metadata: Object = pod["metadata"]
        uid = str(metadata["uid"])
        if part(metadata, "annotations").get(ANNOTATION) == SIMULATED:
            return
        worker = self._workers.get(uid)
        if self._pods.get(uid) is None:
            if worker:
                self._workers.pop(uid).gone()
                self._addresses.give_back(uid)
        elif worker:
            worker.update(pod)
        elif not self._over(pod):
            self._workers[uid] = Worker(self._node, pod)

    def _over(self, pod: Object) -> bool:
        """Whether there is nothing to do for it: it was ended by another, the scheduler say."""
        ended = part(pod, "status").get("phase") in {"Succeeded", "Failed"}
        ours = self._machine and pod["metadata"]["uid"] in self._machine.pods()
        return ended and not ours and "deletionTimestamp" not in pod["metadata"]

    def _forget(self) -> None:
        """Clear away what was left of pods that went while no agent looked."""
        left = {*(self._machine.pods() if self._machine else ()), *_names(self._folder)}
        for uid in left:
            if self._pods.get(uid) is None:
                if self._machine:
                    self._machine.remove_pod(uid)
                shutil.rmtree(self._folder / uid, ignore_errors=True)


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def free_memory() -> int:
    """Bytes that programs may still take."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    raise MachineError("/proc/meminfo does not say what is available")


def main(root: Path, simulate: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    here, trouble = None, simulate
    try:
        here = this_machine(root, trees=trees())
        here.open()
    except MachineError as problem:
        here, trouble = None, simulate or str(problem)
    agent = Agent(root, here, trouble)
    # Whoever started us reads it: the agent is up, and what is wrong with the machine.
    part = root / ".agent"
    part.write_text(trouble)
    part.rename(root / "agent")
    while (root / "kubeconfig").exists():
        time.sleep(ALIVE_SECONDS)
        if agent.lost:
            # All ended with it, and what listened in its network is deaf: begin anew.
            log.warning("the machine's node process is gone")
            os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - ourselves
    log.info("the cluster is gone")
    if here:
        here.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
