"""Names of Services, as the cluster's DNS gives them."""

from collections.abc import Callable, Iterator, Sequence

import dnslib
from dnslib.server import BaseResolver, DNSLogger, DNSServer

from embedded.agent.api import Object

DOMAIN = "svc.cluster.local"
TTL_SECONDS = 2
PORT = 53
ADDRESS = "10.0.0.10"
"""Where pods ask: in the part of the Services' network that is given to nobody by chance."""


def resolv_conf(namespace: str) -> str:
    """Of a pod's containers. Asked over TCP, the only thing that is carried between networks."""
    search = f"{namespace}.{DOMAIN} {DOMAIN} {DOMAIN.partition('.')[2]}"
    return f"nameserver {ADDRESS}\nsearch {search}\noptions ndots:5 use-vc\n"


def addresses(name: str, services: Sequence[Object], slices: Sequence[Object]) -> list[str] | None:
    """What `<service>.<namespace>.svc.cluster.local` resolves to; None where there is none.

    A headless Service is its endpoints: the ready ones, or all where it says so.
    """
    labels = name.lower().rstrip(".").removesuffix(f".{DOMAIN}").split(".")
    for one in services:
        metadata: Object = one["metadata"]
        if labels != [metadata["name"], metadata["namespace"]]:
            continue
        address = str(one["spec"].get("clusterIP") or "")
        return sorted(set(_endpoints(metadata, slices))) if address == "None" else [address]
    return None


def _endpoints(service: Object, slices: Sequence[Object]) -> Iterator[str]:
    for one in slices:
        metadata: Object = one["metadata"]
        owner = (metadata.get("labels") or {}).get("kubernetes.io/service-name")
        if (owner, metadata["namespace"]) != (service["name"], service["namespace"]):
            continue
        for endpoint in one.get("endpoints") or ():
            if one["addressType"] == "IPv4" and endpoint.get("conditions", {}).get("ready", True):
                yield from endpoint["addresses"]


class Resolver(BaseResolver):
    """Answers for Services and nothing else: pods reach nothing outside."""

    def __init__(self, find: Callable[[str], list[str] | None]) -> None:
        self._find = find

    def resolve(self, request: dnslib.DNSRecord, handler: object) -> dnslib.DNSRecord:  # noqa: ARG002 - the library's signature
        reply = request.reply()
        found = self._find(str(request.q.qname))
        if found is None:
            reply.header.rcode = dnslib.RCODE.NXDOMAIN
        elif request.q.qtype in {dnslib.QTYPE.A, dnslib.QTYPE.ANY}:
            for address in found:
                record = dnslib.RR(
                    request.q.qname, dnslib.QTYPE.A, ttl=TTL_SECONDS, rdata=dnslib.A(address)
                )
                reply.add_answer(record)
        return reply


def serve(find: Callable[[str], list[str] | None]) -> int:
    """Answer over TCP on this machine's loopback, in a thread; the port."""
    server = DNSServer(
        Resolver(find), address="127.0.0.1", port=0, tcp=True, logger=DNSLogger("-request,-reply")
    )
    server.start_thread()
    return int(server.server.server_address[1])
