"""Monitors for every Prometheus there is, and what stays away where there is none."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from recording import STACKS, Deploy, Made, prometheuses, run
from test_bad_input import existing_cluster, told

from components import Cluster
from stack import monitoring
from telemetry import scraping

pytestmark = pytest.mark.slow

EXISTING = {"kind": "existing", "context": "other"}
GOOGLES = {"llm-d:cluster": {**EXISTING, "platform": "gke"}}
MODELS = [
    {"name": "Qwen/Qwen3-8B", "prefill": {"replicas": 1}},
    {"name": "Qwen/Qwen3-0.6B", "id": "small"},
]


def made(deploy: Deploy, blocks: Mapping[str, Any] | None = None, **said: Any) -> list[Made]:
    config: dict[str, Any] = {"prometheus": "operator", **said}
    return deploy(
        "minikube",
        config={
            "llm-d:cluster": EXISTING,
            "llm-d:hardware": "cuda",
            "llm-d:gateway": {"provider": "standalone"},
            "llm-d:models": MODELS,
            "llm-d:monitoring": config,
            **(blocks or {}),
        },
    )


def of(found: list[Made], *kinds: str) -> list[dict[str, Any]]:
    return [one.inputs for one in found if one.is_object and one.kind in kinds]


CAN_HAVE = [(stack, one) for stack in STACKS for one in (None, *prometheuses(stack))]


@pytest.mark.parametrize(("stack", "prometheus"), CAN_HAVE)
def test_every_stack_can_be_watched_by_each_prometheus_that_its_cluster_can_have(
    stack: str, prometheus: str | None, deploy: Deploy
) -> None:
    found = deploy(stack, config={"llm-d:monitoring": {"prometheus": prometheus}})

    watching = of(found, "PodMonitor", "ServiceMonitor", "PodMonitoring")
    assert bool(watching) == (prometheus is not None)
    assert bool(of(found, "PrometheusRule", "Rules")) == (prometheus is not None)


@pytest.mark.parametrize("stack", ["kind-arm64", "minikube"])
def test_a_cluster_that_is_yet_to_be_made_has_no_operator_and_gets_no_monitors(
    stack: str, deploy: Deploy
) -> None:
    found = deploy(stack, config={"llm-d:monitoring": {"prometheus": "operator"}})

    assert of(found, "PodMonitor", "ServiceMonitor", "PrometheusRule") == []


def test_each_role_of_each_model_has_a_monitor_that_selects_its_pods_alone(deploy: Deploy) -> None:
    found = made(deploy)

    names = [one["metadata"]["name"] for one in of(found, "PodMonitor", "ServiceMonitor")]
    assert len({*names}) == len(names) == 6  # three roles, two pickers and the gateway
    for monitor in of(found, "PodMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        selected = [
            one
            for one in of(found, "Deployment")
            if wanted <= one["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert len(selected) == 1
        [endpoint] = monitor["spec"]["podMetricsEndpoints"]
        containers = selected[0]["spec"]["template"]["spec"]["containers"]
        ports = {port["name"] for one in containers for port in one["ports"]}
        assert endpoint["port"] in ports


def test_the_proxies_that_istio_makes_for_the_gateway_are_scraped(deploy: Deploy) -> None:
    found = made(deploy, {"llm-d:gateway": {"provider": "istio"}})

    [gateway] = of(found, "Gateway")
    name = gateway["metadata"]["name"]
    [spec] = [
        one["spec"] for one in of(found, "PodMonitor") if one["metadata"]["name"].startswith(name)
    ]
    assert spec["selector"] == {"matchLabels": {"gateway.networking.k8s.io/gateway-name": name}}
    [endpoint] = spec["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("http-envoy-prom", "/stats/prometheus")


def titles(found: list[Made]) -> set[str]:
    """Of all panels."""
    texts = [
        text
        for one in of(found, "ConfigMap")
        if one["metadata"]["labels"].get("grafana_dashboard")
        for text in one["data"].values()
    ]
    return {panel["title"] for text in texts for panel in json.loads(text)["panels"]}


def test_proxies_of_other_providers_are_not_asked_and_have_no_panels(
    deploy: Deploy,
) -> None:
    found = made(deploy, {"llm-d:gateway": {"provider": "agentgateway"}})

    assert of(found, "Gateway")
    assert len(of(found, "PodMonitor", "ServiceMonitor")) == 5  # three roles and two pickers
    gateways = {"Answers of the gateway", "Tried again"}
    assert titles(found) & gateways == set()
    assert titles(made(deploy)) >= gateways


def test_google_is_told_in_its_own_words_and_may_read_the_token(deploy: Deploy) -> None:
    found = made(deploy, GOOGLES, prometheus="gke")

    assert len(of(found, "PodMonitoring")) == 6
    assert not of(found, "PodMonitor", "ServiceMonitor", "PrometheusRule")
    secrets = {one["metadata"]["name"] for one in of(found, "Secret")}
    readable = {
        name
        for role in of(found, "Role")
        for rule in role["rules"]
        if rule["resources"] == ["secrets"]
        for name in rule["resourceNames"]
    }
    assert readable == secrets


def nothing(_cluster: Cluster, _api: str) -> bool:
    return False


@pytest.mark.usefixtures("deploy")
def test_where_the_cluster_knows_no_monitors_there_are_none_and_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Cluster, "serves", nothing)

    found = made(run)  # not `deploy`, which keeps what the same words made elsewhere

    assert not of(found, "PodMonitor", "ServiceMonitor", "PrometheusRule")
    assert of(found, "InferencePool")


def test_the_chart_has_the_guides_names_and_a_password_of_its_own(deploy: Deploy) -> None:
    found = made(deploy, prometheus="install")

    [release] = [one for one in found if one.type == "kubernetes:helm.sh/v3:Release"]
    assert (release.inputs["name"], release.inputs["namespace"]) == ("llmd", "llm-d-monitoring")
    values = release.inputs["values"]
    prometheus = values["prometheus"]["prometheusSpec"]
    for selector in ("podMonitor", "serviceMonitor", "rule"):
        assert prometheus[f"{selector}SelectorNilUsesHelmValues"] is False
    assert values["grafana"]["admin"]["existingSecret"] == "llmd-grafana-admin"
    [secret] = [one for one in found if one.name == "monitoring-grafana"]
    assert len(secret.inputs["stringData"]["admin-password"]) >= 24
    assert "admin-password" not in json.dumps(values["grafana"].get("adminPassword", ""))
    assert secret.request.ignoreChanges == ["stringData"]


def test_a_password_can_be_somebody_elses(deploy: Deploy) -> None:
    found = made(deploy, prometheus="install", grafanaSecret="ours")

    assert not [one for one in found if one.name == "monitoring-grafana"]
    [release] = [one for one in found if one.type == "kubernetes:helm.sh/v3:Release"]
    assert release.inputs["values"]["grafana"]["admin"]["existingSecret"] == "ours"


@pytest.mark.parametrize(("count", "cpu"), [(1, "250m"), (3, "1")])
def test_prometheus_is_as_large_as_its_cluster_allows(count: int, cpu: str, deploy: Deploy) -> None:
    nodes = {"count": count, "cpu": "16", "memory": "64Gi", "devices": 8}
    blocks = {
        "llm-d:cluster": {**EXISTING, "nodes": nodes},
        "llm-d:hardware": "simulated",
        "llm-d:models": [{"name": "Qwen/Qwen3-0.6B"}],
    }
    found = made(deploy, blocks, prometheus="install", storage="50Gi")

    [release] = [one for one in found if one.type == "kubernetes:helm.sh/v3:Release"]
    spec = release.inputs["values"]["prometheus"]["prometheusSpec"]
    assert spec["resources"]["requests"]["cpu"] == cpu
    claim = spec["storageSpec"]["volumeClaimTemplate"]["spec"]
    assert claim["resources"]["requests"]["storage"] == "50Gi"


def test_nodes_have_to_have_room_for_it(tmp_path: Path) -> None:
    nodes = {"count": 1, "cpu": "0.5", "memory": "64Gi"}
    [problem] = told(
        cluster={**existing_cluster(tmp_path), "nodes": nodes},
        hardware="simulated",
        monitoring={"prometheus": "install"},
    )

    assert problem.startswith("`cluster.nodes` is `1 with ")
    assert problem.endswith("which monitoring asks for")


def test_dashboards_are_where_grafana_looks_for_them(deploy: Deploy) -> None:
    found = made(deploy, labels={"team": "serving"})

    boards = [
        one
        for one in of(found, "ConfigMap")
        if one["metadata"]["labels"].get("grafana_dashboard") == "1"
    ]
    assert len(boards) == 5
    uids: set[str] = set()
    for board in boards:
        assert board["metadata"]["labels"]["team"] == "serving"
        [text] = board["data"].values()
        said = json.loads(text)
        uids.add(said["uid"])
        assert said["panels"]
        assert all(panel["targets"] for panel in said["panels"])
        assert {one["name"] for one in said["templating"]["list"]} == {
            "datasource",
            "namespace",
            "pool",
            "dollars",
        }
    assert len(uids) == len(boards)
    assert all(len(uid) <= 40 for uid in uids)


def test_what_prometheus_scrapes_is_what_the_monitors_say(deploy: Deploy) -> None:
    found = deploy("embedded", config={"llm-d:monitoring": {"prometheus": "install"}})

    monitors = of(found, "PodMonitor", "ServiceMonitor")
    configs = scraping.scrape_configs(monitors)
    assert {one["job_name"] for one in configs} == {
        f"{one['kind']}/{one['metadata']['namespace']}/{one['metadata']['name']}/0"
        for one in monitors
    }
    [picker] = [one for one in configs if "authorization" in one]
    [(secret, key)] = scraping.secrets(monitors).items()
    assert picker["authorization"]["credentials_file"] == f"{scraping.TOKENS}/{secret}/{key}"
    for config in configs:
        kept = [one for one in config["relabel_configs"] if one.get("action") == "keep"]
        assert kept


def test_the_definitions_that_a_stack_brings_are_those_of_its_monitors() -> None:
    plurals = {file.path.rsplit("_", 1)[-1] for file in monitoring.CRDS.files}

    assert plurals == {"podmonitors.yaml", "servicemonitors.yaml", "prometheusrules.yaml"}


def test_a_cluster_of_the_stacks_own_has_no_prometheus_of_others() -> None:
    [problem] = told(monitoring={"prometheus": "operator"})

    assert problem.startswith("`monitoring.prometheus` is `operator`, expected `install` on a ")


def test_an_objective_between_two_bounds_of_the_histogram_is_refused() -> None:
    [problem] = told(monitoring={"prometheus": "install", "alerts": {"ttftSeconds": 3.0}})

    assert problem == (
        "`monitoring.alerts.ttftSeconds` is `3.0`, expected seconds that the model server counts "
        "first tokens by; the nearest: 2.5, 5"
    )


@pytest.mark.parametrize("prometheus", ["gke", "openshift"])
def test_what_comes_with_other_clusters_is_not_to_be_had(prometheus: str, tmp_path: Path) -> None:
    [problem] = told(cluster=existing_cluster(tmp_path), monitoring={"prometheus": prometheus})

    assert problem == (
        f"`monitoring.prometheus` is `{prometheus}`, expected `install` or `operator`: this one "
        f"comes with {prometheus}; if the cluster is one, say `cluster.platform: {prometheus}`"
    )


def test_openshift_lets_nobody_install_a_prometheus(tmp_path: Path) -> None:
    [problem] = told(
        cluster={**existing_cluster(tmp_path), "platform": "openshift"},
        monitoring={"prometheus": "install"},
    )

    assert problem.startswith("`monitoring.prometheus` is `install`, expected `openshift`, which ")


def test_openshift_does_not_monitor_its_own_namespaces_for_users(tmp_path: Path) -> None:
    [problem] = told(
        cluster={**existing_cluster(tmp_path), "platform": "openshift"},
        names={"namespace": "openshift-llm-d"},
        monitoring={"prometheus": "openshift"},
    )

    assert problem.startswith("`names.namespace` is `openshift-llm-d`, expected a user project")
