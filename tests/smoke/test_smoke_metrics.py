"""What the endpoint picker tells of its pool."""

import pytest

from smoke import metrics
from smoke.findings import Failed, Found, Hop, Passed
from smoke.web import Answer, Lost, Why
from tests.smoke.deployed import KUBECTL, MODEL, NAMESPACE, PICKER, POOL, STACK

TEXT = """\
# HELP inference_pool_ready_pods [ALPHA] The number of ready pods in the inference server pool.
# TYPE inference_pool_ready_pods gauge
inference_pool_ready_pods{name="other"} 7
inference_pool_ready_pods{name="gaie"} 2
inference_pool_per_pod_queue_size{model_server_pod="a",name="gaie"} 0
"""


def judge(text: str, ready: int, status: int = 200) -> Found:
    return metrics.seen_pods(STACK, MODEL, Answer(status, {}, text.encode()), ready)


def failed(found: Found) -> Failed:
    assert isinstance(found, Failed), found
    return found


def test_the_figure_is_that_of_the_pool() -> None:
    assert metrics.ready_pods(TEXT, POOL) == 2
    assert metrics.ready_pods(TEXT, "gai") is None
    assert metrics.ready_pods('inference_pool_ready_pods{name="gaie"} 2e+00', POOL) == 2


def test_as_many_as_the_deployment_has_will_do() -> None:
    assert judge(TEXT, 2) == Passed("sees 2 ready pods, the Deployment has 2")


@pytest.mark.parametrize(
    ("text", "ready", "hop", "cause"),
    [
        (TEXT, 3, Hop.POOL, "the pool's selector misses them"),
        (TEXT, 1, Hop.POOL, "pods of other workloads"),
        ("", 2, Hop.PICKER, "has not found its pool"),
    ],
)
def test_another_figure_is_explained(text: str, ready: int, hop: Hop, cause: str) -> None:
    found = failed(judge(text, ready))

    assert found.hop is hop
    assert cause in found.cause
    assert found.next == f"{KUBECTL} get pods --show-labels -o wide"


@pytest.mark.parametrize("status", [401, 403, 500])
def test_metrics_that_are_refused_mean_a_missing_role(status: int) -> None:
    found = failed(judge("Authorization: Bearer secret", 2, status))

    assert found.hop is Hop.PICKER
    assert "ClusterRole" in found.cause
    assert "secret" not in found.seen
    assert found.next == (
        f"{KUBECTL} auth can-i get /metrics --as=system:serviceaccount:{NAMESPACE}:{PICKER}"
    )


def test_metrics_that_cannot_be_reached_are_told() -> None:
    found = failed(metrics.seen_pods(STACK, MODEL, Lost(Why.REFUSED, "http://x:9090"), 2))

    assert (found.hop, found.next) == (Hop.PICKER, f"{KUBECTL} get service,endpoints {PICKER}")
    assert "port 9090 cannot be reached" in found.cause


@pytest.mark.parametrize(
    ("ingress", "expected"),
    [
        ([{"ip": "127.3.2.1"}], "http://127.3.2.1:9090/metrics"),
        ([{"ip": "203.0.113.7"}, {"ip": "::1"}], "http://[::1]:9090/metrics"),
        ([{"ip": "203.0.113.7"}], None),
        ([{"hostname": "llm.example.com"}], None),
        (None, None),
    ],
)
def test_a_token_goes_to_no_load_balancer_but_one_on_this_machine(
    ingress: list[dict[str, str]] | None, expected: str | None
) -> None:
    assert metrics.local({"status": {"loadBalancer": {"ingress": ingress}}}, 9090) == expected
