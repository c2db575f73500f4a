"""Names of Services, asked as a pod asks."""

from typing import Any

import dns.message
import dns.query
import dns.rcode
import pytest

from embedded.agent import names

SERVICES: list[dict[str, Any]] = [
    {"metadata": {"name": "picker", "namespace": "one"}, "spec": {"clusterIP": "10.0.0.77"}},
    {"metadata": {"name": "pods", "namespace": "one"}, "spec": {"clusterIP": "None"}},
]


def slices(*endpoints: dict[str, Any], namespace: str = "one") -> list[dict[str, Any]]:
    return [
        {
            "metadata": {
                "name": "pods-1",
                "namespace": namespace,
                "labels": {"kubernetes.io/service-name": "pods"},
            },
            "addressType": "IPv4",
            "endpoints": list(endpoints),
        }
    ]


def endpoint(address: str, *, ready: bool = True) -> dict[str, Any]:
    return {"addresses": [address], "conditions": {"ready": ready}}


def test_a_service_is_its_own_address() -> None:
    assert names.addresses("picker.one.svc.cluster.local.", SERVICES, []) == ["10.0.0.77"]


def test_a_headless_service_is_its_ready_pods() -> None:
    there = slices(
        endpoint("198.18.1.2"), endpoint("198.18.1.1"), endpoint("198.18.1.3", ready=False)
    )

    found = names.addresses("Pods.One.svc.cluster.local", SERVICES, there)

    assert found == ["198.18.1.1", "198.18.1.2"]


@pytest.mark.parametrize(
    "name", ["picker.two.svc.cluster.local", "example.org", "one.svc.cluster.local", ""]
)
def test_another_name_is_nobody(name: str) -> None:
    assert names.addresses(name, SERVICES, []) is None


def test_pods_of_another_namespace_are_not_found() -> None:
    there = slices(endpoint("198.18.1.1"), namespace="two")

    assert names.addresses("pods.one.svc.cluster.local", SERVICES, there) == []


def test_a_short_name_is_looked_for_in_the_pods_own_namespace_first() -> None:
    assert "\nsearch one.svc.cluster.local svc.cluster.local" in names.resolv_conf("one")


def test_questions_are_answered_over_tcp() -> None:
    known = {"a.one.svc.cluster.local.": ["10.0.0.1", "10.0.0.2"], "none.one.": []}
    port = names.serve(known.get)

    def ask(name: str, kind: str = "A") -> dns.message.Message:
        question = dns.message.make_query(name, kind)
        return dns.query.tcp(question, "127.0.0.1", port=port, timeout=5)

    [found] = ask("a.one.svc.cluster.local").answer
    assert {line.split()[-1] for line in found.to_text().splitlines()} == {"10.0.0.1", "10.0.0.2"}
    for empty in (ask("a.one.svc.cluster.local", "AAAA"), ask("none.one")):
        assert (empty.rcode(), empty.answer) == (dns.rcode.NOERROR, [])
    assert ask("b.one.svc.cluster.local").rcode() == dns.rcode.NXDOMAIN
