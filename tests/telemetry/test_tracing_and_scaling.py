"""Traces, and replicas that come and go: what a stack file's words become."""

from pathlib import Path
from typing import Any

import pytest
from recording import Deploy, Made
from test_bad_input import existing_cluster, told

MODEL = {"name": "Qwen/Qwen3-8B", "replicas": 2}
ENDPOINT = "http://collector.observability:4317"


def made(deploy: Deploy, **said: Any) -> list[Made]:
    blocks: dict[str, Any] = {
        "cluster": {"kind": "existing", "context": "other"},
        "hardware": "cuda",
        "models": [MODEL],
        **said,
    }
    return deploy("minikube", config={f"llm-d:{key}": one for key, one in blocks.items()})


def container(found: list[Made], name: str) -> dict[str, Any]:
    [one] = [
        one
        for made in found
        if made.is_object and made.kind == "Deployment"
        for one in made.inputs["spec"]["template"]["spec"]["containers"]
        if one["name"] == name
    ]
    return one


def environment(one: dict[str, Any]) -> dict[str, str]:
    return {said["name"]: said.get("value", "") for said in one["env"]}


def of(found: list[Made], kind: str) -> list[dict[str, Any]]:
    return [one.inputs for one in found if one.is_object and one.kind == kind]


def test_endpoint_picker_and_model_servers_send_their_traces(deploy: Deploy) -> None:
    found = made(deploy, monitoring={"tracing": {"endpoint": ENDPOINT, "share": 0.5}})
    picker, server = container(found, "epp"), container(found, "vllm")

    assert "--tracing=true" in picker["args"]
    assert f"--otlp-traces-endpoint={ENDPOINT}" in server["args"]
    for one, service in ((picker, "endpoint-picker"), (server, "vllm")):
        said = environment(one)
        assert said["OTEL_EXPORTER_OTLP_ENDPOINT"] == ENDPOINT
        assert said["OTEL_TRACES_SAMPLER_ARG"] == "0.5"
        assert said["OTEL_SERVICE_NAME"] == service


def test_a_stack_that_does_not_say_so_sends_none(deploy: Deploy) -> None:
    found = made(deploy)

    assert "--tracing=false" in container(found, "epp")["args"]
    assert not [one for one in container(found, "vllm")["args"] if "otlp" in one]
    for name in ("epp", "vllm"):
        assert not [one for one in environment(container(found, name)) if one.startswith("OTEL")]


def test_the_simulator_is_told_of_no_traces(deploy: Deploy) -> None:
    found = made(deploy, hardware="simulated", monitoring={"tracing": {"endpoint": ENDPOINT}})

    assert "--tracing=true" in container(found, "epp")["args"]
    assert not [one for one in container(found, "vllm")["args"] if "otlp" in one]


def test_a_release_whose_servers_have_no_tracing_refuses_it() -> None:
    [problem] = told(release="v0.4", monitoring={"tracing": {"endpoint": ENDPOINT}})

    assert problem.startswith(
        f"`monitoring.tracing.endpoint` is `{ENDPOINT}`, expected left out with release"
    )


SCALED = {**MODEL, "autoscaling": {"maxReplicas": 6, "waiting": 3, "running": 20}}
INSTALL = {"prometheus": "install"}


def test_keda_asks_the_stacks_prometheus_about_the_stacks_pods(deploy: Deploy) -> None:
    found = made(deploy, models=[SCALED], monitoring=INSTALL)

    [scaled] = of(found, "ScaledObject")
    spec = scaled["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 6)
    [pool] = of(found, "InferencePool")
    [decode] = [
        one["metadata"]["name"]
        for one in of(found, "Deployment")
        if one["metadata"]["name"].endswith("-decode")
    ]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": decode}
    asked = [one["metadata"] for one in spec["triggers"]]
    assert [one["threshold"] for one in asked] == ["3", "20"]
    assert {one["serverAddress"] for one in asked} == {
        "http://llmd-kube-prometheus-stack-prometheus.llm-d-monitoring.svc.cluster.local:9090"
    }
    for one in asked:
        assert f'pool="{pool["metadata"]["name"]}"' in one["query"]


def test_kubernetes_own_autoscaler_goes_by_what_an_adapter_has(deploy: Deploy) -> None:
    model = {**MODEL, "autoscaling": {"by": "hpa", "maxReplicas": 6}}
    found = made(deploy, models=[model])

    [scaled] = of(found, "HorizontalPodAutoscaler")
    spec = scaled["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
    assert [one["pods"]["metric"]["name"] for one in spec["metrics"]] == [
        "vllm_num_requests_waiting",
        "vllm_num_requests_running",
    ]


def test_an_update_does_not_take_an_autoscalers_word_back(deploy: Deploy) -> None:
    def said(found: list[Made]) -> list[bool]:
        return [
            "replicas" in one["spec"]
            for one in of(found, "Deployment")
            if one["metadata"]["name"].endswith("-decode")
        ]

    assert said(made(deploy, models=[SCALED], monitoring=INSTALL)) == [False]
    assert said(made(deploy)) == [True]


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ({"maxReplicas": 1}, "`models[0].autoscaling.maxReplicas` is `1`, expected no fewer than"),
        ({"maxReplicas": 4}, "`models[0].autoscaling.by` is `keda`, expected a Prometheus that"),
    ],
)
def test_what_cannot_work_is_refused(model: dict[str, Any], problem: str, tmp_path: Path) -> None:
    said = {"name": "Qwen/Qwen3-0.6B", "replicas": 2, "autoscaling": {"by": "keda", **model}}
    monitoring = {} if "Prometheus" in problem else INSTALL

    found = told(cluster=existing_cluster(tmp_path), models=[said], monitoring=monitoring)

    assert [one for one in found if one.startswith(problem)]


def test_the_most_replicas_that_there_may_be_have_to_fit(tmp_path: Path) -> None:
    nodes = {"count": 1, "cpu": "8", "memory": "32Gi"}
    said = {"name": "Qwen/Qwen3-0.6B", "autoscaling": {"by": "hpa", "maxReplicas": 1000}}

    found = told(cluster={**existing_cluster(tmp_path), "nodes": nodes}, models=[said])

    assert found[0].startswith("`models[0].autoscaling.maxReplicas` is `1000`, expected fewer")
