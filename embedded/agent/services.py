"""Services: who stands behind an address, and the cluster's load balancer."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import chain, count
from pathlib import Path

from embedded.agent import names
from embedded.agent.api import MERGE, NOT_FOUND, Api, ApiError, Mirror
from embedded.agent.events import Events
from embedded.agent.machine import Endpoint, Forward, Machine, MachineError, Side
from embedded.agent.objects import Object, part, parts
from embedded.agent.status import time_of
from embedded.troubles import SERVED

POD_NETWORK = IPv4Network("198.18.0.0/16")
"""Set aside for tests of network devices, and so nobody's: EndpointSlices refuse loopback."""
BALANCER_NETWORK = IPv4Network("127.64.0.0/10")
"""Loopback, away from what anyone else listens on: a cluster takes one address of it, and the next
ones for Services that ask for the same port."""
RETRY_SECONDS = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Route:
    """One port of one Service, where it is listened on."""

    at: Endpoint
    service: str
    """Namespace and name."""
    port: str
    """Name of the port, empty where there is only one."""


def key(service: Object) -> str:
    return f"{service['metadata']['namespace']}/{service['metadata']['name']}"


def balanced(services: Sequence[Object], first: str) -> dict[str, str]:
    """Service -> its load balancer's address: what it has, or the first on which its ports are
    free. `first` is the cluster's own."""
    found: dict[str, str] = {}
    taken: set[tuple[str, int]] = set()
    # Who has an address keeps it, and the older one before the younger.
    waiting = [
        (not (there := ingress(one)), one["metadata"]["creationTimestamp"], key(one), there, one)
        for one in services
        if one["spec"].get("type") == "LoadBalancer"
    ]
    for *_, name, there, one in sorted(waiting, key=lambda one: one[:3]):
        ports = {port["port"] for port in tcp(one)}
        addresses = (str(IPv4Address(first) + more) for more in count())
        found[name] = next(
            address
            for address in chain((at["ip"] for at in there), addresses)
            if not taken & {(address, port) for port in ports}
        )
        taken |= {(found[name], port) for port in ports}
    return found


def ingress(service: Object) -> list[Object]:
    """What its status says of where it is answered on this machine."""
    there = parts(service, "status", "loadBalancer", "ingress")
    return [{name: one.get(name) for name in ("ip", "ipMode")} for one in there]


def tcp(service: Object) -> list[Object]:
    """Its ports but those of other protocols, which nothing here carries."""
    return [one for one in parts(service, "spec", "ports") if one.get("protocol", "TCP") == "TCP"]


def routes(services: Sequence[Object], balancers: Mapping[str, str]) -> Iterator[Route]:
    """Every TCP port of every Service, on its own address and on its load balancer's."""
    for one in services:
        where = [(Side.PODS, one["spec"].get("clusterIP")), (Side.HOST, balancers.get(key(one)))]
        for port in tcp(one):
            for side, address in where:
                if address not in {None, "", "None"}:
                    yield Route(
                        at=Endpoint(side, str(address), port["port"]),
                        service=key(one),
                        port=port.get("name") or "",
                    )


def targets(slices: Sequence[Object], route: Route) -> list[Endpoint]:
    """The ready endpoints behind a port, of those that this machine runs."""
    namespace, _, name = route.service.partition("/")
    found: list[Endpoint] = []
    for one in slices:
        metadata: Object = one["metadata"]
        labels = part(metadata, "labels")
        if metadata["namespace"] != namespace or labels.get("kubernetes.io/service-name") != name:
            continue
        ports = [
            port["port"] for port in parts(one, "ports") if (port.get("name") or "") == route.port
        ]
        found += [
            Endpoint(Side.PODS, address, port)
            for endpoint in parts(one, "endpoints")
            if part(endpoint, "conditions").get("ready") is not False
            for address in endpoint["addresses"]
            if one["addressType"] == "IPv4" and IPv4Address(address) in POD_NETWORK
            for port in ports
        ]
    return found


class Services:
    """Keeps a listener for each port of each Service, and tells which address balances."""

    def __init__(
        self, api: Api, machine: Machine | None, events: Events, file: Path, *, balances: bool
    ) -> None:
        """`file` holds the first address of the load balancer between agents.

        `balances` is whether anything is to answer there.
        """
        self._api = api
        self._machine = machine
        self._events = events
        self._file = file
        self._balances = balances
        self._open: dict[Route, Forward] = {}
        self._names = Endpoint(Side.HOST, "127.0.0.1", names.serve(self._resolve))
        self._wake = threading.Event()
        self._services = Mirror(api, "/api/v1/services", lambda _one: self._wake.set())
        self._slices = Mirror(api, "/apis/discovery.k8s.io/v1/endpointslices", lambda _one: None)
        threading.Thread(target=self._run, name="services", daemon=True).start()

    def all(self) -> list[Object]:
        return self._services.all()

    def wait(self) -> None:
        """Until all Services have been seen a first time."""
        self._services.synced.wait()

    def _resolve(self, name: str) -> list[str] | None:
        return names.addresses(name, self._services.all(), self._slices.all())

    def _run(self) -> None:
        self._services.synced.wait()
        if self._machine:
            self._machine.forward(
                Endpoint(Side.PODS, names.ADDRESS, names.PORT), lambda: [self._names]
            )
        while True:
            self._wake.clear()
            failed = True
            try:
                failed = self._sync()
            except ApiError as error:
                log.warning("services: %s", error)
            except Exception:
                # A defect with one Service must not end the others' proxies.
                log.exception("services")
            self._wake.wait(RETRY_SECONDS if failed else None)

    def _sync(self) -> bool:
        """Whether something has to be tried again."""
        services = self._services.all()
        balancers = balanced(services, self._address())
        wanted = list(routes(services, balancers))
        for route in self._open.keys() - set(wanted):
            self._open.pop(route).close()
        problems: dict[str, str] = {}
        for route in wanted:
            answers = self._balances or route.at.side is Side.PODS
            if self._machine and answers and route not in self._open:
                try:
                    self._open[route] = self._machine.forward(route.at, self._behind(route))
                except MachineError as problem:
                    log.warning("%s: %s", route, problem)
                    problems[route.service] = str(problem)
        for one in services:
            self._publish(one, balancers.get(key(one)), problems.get(key(one)))
        return bool(problems)

    def _behind(self, route: Route) -> Callable[[], list[Endpoint]]:
        if route.service == "default/kubernetes":
            api = [Endpoint(Side.HOST, "127.0.0.1", self._api.port)]
            return lambda: api
        return lambda: targets(self._slices.all(), route)

    def _address(self) -> str:
        """One for the cluster, by chance, and the same from then on."""
        if not self._file.exists():
            network = BALANCER_NETWORK
            chosen = random.randrange(1, network.num_addresses - 1)  # noqa: S311 - no secret
            self._file.write_text(str(network[chosen]))
        return self._file.read_text()

    def _publish(self, service: Object, balancer: str | None, problem: str | None) -> None:
        """Say in the Service's status where it is answered on this machine, or why it is not.

        It gets an address in any case: what waits for one has more to deploy.
        """
        at = [{"ip": balancer, "ipMode": "Proxy"}] if balancer else []
        said = next(
            (
                one["message"]
                for one in parts(service, "status", "conditions")
                if (one["type"], one["status"]) == (SERVED, "False")
            ),
            None,
        )
        if (ingress(service), said) == (at, problem):
            return
        status: Object = {"loadBalancer": {"ingress": at or None}}
        if problem != said:
            status["conditions"] = [condition(problem)]
        metadata = service["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/services/{metadata['name']}/status"
        try:
            self._api.request("PATCH", path, {"status": status}, MERGE)
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise
        if problem:
            self._events.tell(service, "Service", "NotServed", problem, warning=True)
        elif at and not self._balances:
            self._events.tell(
                service,
                "Service",
                "Simulated",
                "This machine runs no containers: nothing answers at this address",
                warning=True,
            )


def condition(problem: str | None) -> Object:
    """Of a Service: whether it is answered at its addresses."""
    return {
        "type": SERVED,
        "status": "False" if problem else "True",
        "reason": "CannotListen" if problem else "Listening",
        "message": problem or "",
        "lastTransitionTime": time_of(time.time()),
    }
