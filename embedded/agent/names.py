"""Names of Services, as the cluster's DNS gives them."""

import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from embedded.agent.objects import Object, part, parts

DOMAIN = "svc.cluster.local"
TTL_SECONDS = 2
PORT = 53
ADDRESS = "198.19.0.10"
"""Where pods ask: in the part of the Services' network that is given to nobody by chance."""

Find = Callable[[str], list[str] | None]
"""A name -> its addresses; None where there is no such name."""


def resolv_conf(namespace: str) -> str:
    """Of a pod's containers. Asked over TCP, the only thing that is carried between networks."""
    search = f"{namespace}.{DOMAIN} {DOMAIN} {DOMAIN.partition('.')[2]}"
    return f"nameserver {ADDRESS}\nsearch {search}\noptions ndots:5 use-vc\n"


def addresses(name: str, services: Sequence[Object], slices: Sequence[Object]) -> list[str] | None:
    """Of `<service>.<namespace>.svc.cluster.local`; a headless Service is its ready endpoints."""
    labels = name.lower().rstrip(".").removesuffix(f".{DOMAIN}").split(".")
    for one in services:
        metadata = part(one, "metadata")
        if labels == [metadata["name"], metadata["namespace"]]:
            address = part(one, "spec").get("clusterIP")
            return sorted({*_endpoints(metadata, slices)}) if address == "None" else [str(address)]
    return None


def _endpoints(service: Object, slices: Sequence[Object]) -> Iterator[str]:
    for one in slices:
        metadata = part(one, "metadata")
        owner = part(metadata, "labels").get("kubernetes.io/service-name")
        if (owner, metadata["namespace"]) != (service["name"], service["namespace"]):
            continue
        for endpoint in parts(one, "endpoints"):
            if one["addressType"] == "IPv4" and part(endpoint, "conditions").get("ready", True):
                yield from endpoint["addresses"]


def answer(question: dns.message.Message, find: Find) -> dns.message.Message:
    """For Services and nothing else: pods reach nothing outside."""
    reply = dns.message.make_response(question)
    for one in question.question:
        found = find(one.name.to_text())
        if found is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif found and one.rdtype == dns.rdatatype.A:
            reply.answer.append(dns.rrset.from_text(one.name, TTL_SECONDS, "IN", "A", *found))
    return reply


def serve(find: Find) -> int:
    """Answer over TCP on this machine's loopback, in a thread; the port."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while size := int.from_bytes(self.rfile.read(2), "big"):
                question = dns.message.from_wire(self.rfile.read(size))
                self.wfile.write(answer(question, find).to_wire(prepend_length=True))

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="names", daemon=True).start()
    return server.server_address[1]
