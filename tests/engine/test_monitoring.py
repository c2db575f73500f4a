"""A stack with its own Prometheus: real metrics, every query, and each alert over its fault. 8 min.

One stack for all, in the order in which they stand here; each leaves it as it was.
"""

import contextlib
import json
import os
import re
import signal
import threading
import time
import urllib.error
import urllib.request
from base64 import b64decode
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import yaml
from engine.project import EMBEDDED, Project
from engine.test_faults import DECODE, NAMESPACE, PICKER, Stack, fault
from engine.traffic import Traffic

from stack.picker_metrics import BUILT_HERE
from stack.plan import Metrics
from stack.proxy_metrics import STANDALONE
from telemetry.asking import AskingError, Prometheus
from telemetry.boards import boards
from telemetry.panels import Board, Panel, Query
from telemetry.picture import filled_in

pytestmark = [pytest.mark.engine]

FASTER = 30
"""Times that alerts' windows are shortened by: five minutes are ten seconds."""
SHORTEST = 4
"""Seconds; a rate needs samples, of which there is one a second."""
SECONDS = 120.0
"""A pod that hangs has to fail its probe, and then has its time to end, before another begins."""
RATE = 15.0
VARIABLES = {
    "namespace": NAMESPACE,
    "pool": "gaie-inference-scheduling",
    "__rate_interval": "30s",
    "dollars": "2",
}
BOARDS = boards(Metrics(picker=BUILT_HERE, proxies=STANDALONE))
EMPTY = {
    "Refused, by kind",
    "Accelerators in use",
    "Watts",
    "Held back",
    "Flow control",
}
"""Panels that say what they need, which is not here."""
CROWD = 180
"""Requests at once: three times what the replicas' caches hold."""
FILTER = "header-based-testing-filter"
MODEL = EMBEDDED["models"][0]["name"]
WORDS = " ".join(f"word{number}" for number in range(60))


@dataclass(frozen=True)
class Monitored:
    stack: Stack
    said: str
    """By `make up`."""
    prometheus: Prometheus

    @property
    def traffic(self) -> Traffic:
        return self.stack.traffic

    def ask(self, prompt: str, model: str = MODEL, tokens: int = 8) -> int:
        """Status of the answer to a completion."""
        body = {"model": model, "prompt": prompt, "max_tokens": tokens, "ignore_eos": True}
        return status(f"{self.traffic.url}/v1/completions", json.dumps(body).encode())

    def firing(self) -> set[str]:
        found = self.prometheus.now('ALERTS{alertstate="firing"}')
        return {one.labels["alertname"] for one in found}

    def wait(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            # A Prometheus that has just come up does not answer at once.
            with contextlib.suppress(AskingError):
                if done():
                    return
            assert time.monotonic() < deadline, f"{what}; firing: {self.firing()}"
            time.sleep(0.5)

    def fires(self, *alerts: str) -> None:
        self.wait(lambda: {*alerts} <= self.firing(), f"{alerts} did not fire")

    def clears(self, *alerts: str) -> None:
        self.wait(lambda: not {*alerts} & self.firing(), f"{alerts} did not clear")


def status(url: str, body: bytes | None = None, token: str = "") -> int:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    asked = urllib.request.Request(url, body, headers)  # noqa: S310 - our own stack
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 - our own stack
            answer.read()
            return answer.status
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    # Room for few tokens, so that a crowd fills it.
    few = {"maxModelLen": 1024, "args": ["--num-gpu-blocks-override=256"]}
    model = EMBEDDED["models"][0] | few
    said = EMBEDDED | {
        "models": [model | {"env": {"VLLM_SERVER_DEV_MODE": "1"}}],
        "monitoring": {
            "prometheus": "install",
            "scrapeInterval": "1s",
            "alerts": {"ttftSeconds": 0.25},
        },
    }
    folder = tmp_path_factory.mktemp("monitoring")
    project = Project.create(folder / "project", "embedded", said)
    try:
        up = project.act("up")
        assert up.code == 0, up.said
        outputs = project.outputs()
        prometheus = Prometheus(outputs["monitoring"]["prometheusUrl"])
        yield Monitored(Stack(project, Traffic(outputs["gatewayUrl"])), up.said, prometheus)
    finally:
        project.act("down")


def test_make_up_says_where_prometheus_answers(monitored: Monitored) -> None:
    assert f"Prometheus answers at {monitored.prometheus.url}" in monitored.said
    assert "warning:" not in monitored.said.split("Prometheus answers")[1]


def test_an_endpoint_picker_shows_its_metrics_to_who_has_the_token(monitored: Monitored) -> None:
    kubectl = monitored.stack.project.kubectl
    said = kubectl("get", "secret", f"{PICKER}-metrics-reader", "-n", NAMESPACE, "-o", "json")
    token = b64decode(json.loads(said)["data"]["token"]).decode()
    others = kubectl("create", "token", "default", "-n", NAMESPACE).strip()
    host = monitored.traffic.url.rpartition(":")[0]
    url = f"{host}:9090/metrics"

    assert status(url) == 401
    assert status(url, token=others) == 403
    assert status(url, token=token) == 200


def test_all_that_the_monitors_on_the_cluster_select_is_scraped(monitored: Monitored) -> None:
    kubectl = monitored.stack.project.kubectl
    kinds = "podmonitors,servicemonitors"
    listed = json.loads(kubectl("get", kinds, "-n", NAMESPACE, "-o", "json"))["items"]
    wanted = {f"{one['kind']}/{NAMESPACE}/{one['metadata']['name']}/0" for one in listed}

    def found() -> list[str]:
        """What each target is scraped for; none while any of them is not up."""
        targets = monitored.prometheus.ask("targets", state="active")["activeTargets"]
        all_up = all(one["health"] == "up" for one in targets)
        return [one["scrapePool"] for one in targets] if all_up else []

    monitored.wait(lambda: {*found()} == wanted, "not all is scraped")
    decode = f"PodMonitor/{NAMESPACE}/{DECODE}-podmonitor/0"
    monitored.wait(
        lambda: found().count(decode) == len(monitored.stack.pods(DECODE)) == 3,
        "a model server is not scraped",
    )


def empty(panels: Sequence[Panel], prometheus: Prometheus) -> set[str]:
    """Titles of panels of which a query gives nothing."""
    return {
        panel.title
        for panel in panels
        for query in panel.queries
        if not prometheus.now(filled_in(query.expr, VARIABLES))
    }


def misspelt(board: Board) -> Iterator[Panel]:
    """Each panel with one letter of its metric's name wrong."""
    for panel in board.panels:
        wrong = re.sub(r"(_\w)(\w+)\{", r"\1x\2{", panel.queries[0].expr, count=1)
        yield replace(panel, queries=(Query(wrong, ""),))


def test_every_query_of_every_dashboard_has_data(monitored: Monitored) -> None:
    with monitored.traffic.at(RATE) as traffic:
        for number in range(6):
            assert monitored.ask(f"{WORDS} {number}") == 200
            traffic.wait_for(1)
        every = [panel for board in BOARDS for panel in board.panels]
        found = empty(every, monitored.prometheus)
    overview = next(one for one in BOARDS if one.name == "overview")

    assert found == EMPTY
    assert {panel.title for panel in every if panel.title in EMPTY and not panel.needs} == set()
    # An errors' share is 0 where nothing has failed, so that its first metric may be missing.
    assert empty([*misspelt(overview)], monitored.prometheus) >= {
        panel.title for panel in overview.panels if panel.title != "Errors"
    }


def test_nothing_is_told_while_nothing_is_wrong(monitored: Monitored) -> None:
    speed_up(monitored)
    with monitored.traffic.at(RATE) as traffic:
        traffic.wait_for(15)
        assert monitored.firing() == set()


def speed_up(monitored: Monitored) -> None:
    """Have the alerts' windows shorter, and all else as it was deployed."""
    kubectl = monitored.stack.project.kubectl
    name = ("llmd-prometheus", "-n", NAMESPACE)
    said = json.loads(kubectl("get", "configmap", *name, "-o", "json"))["data"]["rules.yml"]
    data = {"data": {"rules.yml": faster(said)}}
    kubectl("patch", "configmap", *name, "--patch", json.dumps(data))
    kubectl("rollout", "restart", "deployment", *name)
    kubectl("rollout", "status", "deployment", *name)
    monitored.wait(lambda: bool(monitored.prometheus.now("up")), "Prometheus is not back")


def faster(rules: str) -> str:
    said = yaml.safe_load(rules)
    for group in said["groups"]:
        for rule in group["rules"]:
            rule["expr"] = re.sub(r"\[(\w+)\]", lambda one: f"[{sooner(one[1])}]", rule["expr"])
            rule["for"] = sooner(rule["for"])
    return yaml.safe_dump(said)


def sooner(duration: str) -> str:
    seconds = int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]
    return f"{max(SHORTEST, seconds // FASTER)}s" if seconds else "0s"


@contextmanager
def flood(monitored: Monitored) -> Generator[None]:
    """Many requests at once, each for a long answer, until the end of the block."""
    over = threading.Event()

    def go_on(number: int) -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                monitored.ask(f"Crowd {number}", tokens=900)

    with ThreadPoolExecutor(CROWD) as pool:
        waiting = [pool.submit(go_on, number) for number in range(CROWD)]
        try:
            yield
        finally:
            over.set()
    for one in waiting:
        one.result()


def test_a_crowd_is_told_of(monitored: Monitored) -> None:
    """More than the caches hold: requests wait, and first tokens come late."""
    alerts = ("QueueSaturated", "KvCacheFull", "FirstTokenSlow")
    with monitored.traffic.at(RATE):
        with flood(monitored):
            monitored.fires(*alerts)
        monitored.clears(*alerts)


def test_errors_are_told_of(monitored: Monitored) -> None:
    with monitored.traffic.at(RATE):
        every(monitored, "error")
        monitored.fires("RequestErrors")
        every(monitored, "none")
        monitored.clears("RequestErrors")


def every(monitored: Monitored, mode: str) -> None:
    """Have each model server behave so."""
    for pod in monitored.stack.pods(DECODE):
        with monitored.stack.reached(pod["metadata"]["name"]) as url:
            fault(url, mode)


def test_choices_that_fail_are_told_of(monitored: Monitored) -> None:
    """By a filter that the endpoint picker has for tests: it leaves the pods that a header names,
    and no question has that header.
    """
    kubectl = monitored.stack.project.kubectl
    name = (PICKER, "-n", NAMESPACE)
    [(file, said)] = json.loads(kubectl("get", "configmap", *name, "-o", "json"))["data"].items()
    config = yaml.safe_load(said)
    config["plugins"].append({"type": FILTER})
    for profile in config["schedulingProfiles"]:
        profile["plugins"].append({"pluginRef": FILTER})
    with monitored.traffic.at(RATE):
        restarted(monitored, {"data": {file: yaml.safe_dump(config)}})
        monitored.fires("EndpointPickerFails")
        restarted(monitored, {"data": {file: said}})
        monitored.clears("EndpointPickerFails", "RequestErrors")


def test_every_metric_that_an_alert_asks_for_is_there(monitored: Monitored) -> None:
    """After there were errors: a counter of what has never happened is not there."""
    names = {*monitored.prometheus.ask("label/__name__/values")}
    [group] = monitored.prometheus.ask("rules")["groups"]

    asked = {name for rule in group["rules"] for name in re.findall(r"([a-z_:]+)\{", rule["query"])}

    assert {rule["health"] for rule in group["rules"]} == {"ok"}
    assert len(asked) >= 9
    assert asked - names == set()


def restarted(monitored: Monitored, patch: dict[str, Any]) -> None:
    """The endpoint picker, with another configuration."""
    kubectl = monitored.stack.project.kubectl
    name = (PICKER, "-n", NAMESPACE)
    kubectl("patch", "configmap", *name, "--patch", json.dumps(patch))
    kubectl("rollout", "restart", "deployment", *name)
    kubectl("rollout", "status", "deployment", *name)


def test_a_pod_that_hangs_and_one_that_restarts_are_told_of(monitored: Monitored) -> None:
    with monitored.traffic.at(RATE):
        os.kill(monitored.stack.processes(DECODE, "simulator")[0], signal.SIGSTOP)
        monitored.fires("ModelNotLoaded")
        monitored.clears("ModelNotLoaded")
        monitored.stack.wait(DECODE, 3)
        pod = monitored.stack.pods(DECODE)[0]["metadata"]["name"]
        for _ in range(2):
            os.kill(monitored.stack.processes(pod, "simulator")[0], signal.SIGKILL)
            time.sleep(2)
            monitored.stack.wait(DECODE, 3)
        monitored.fires("PodRestarts")
        monitored.clears("PodRestarts")


def test_a_pool_without_pods_is_told_of(monitored: Monitored) -> None:
    kubectl = monitored.stack.project.kubectl
    kubectl("scale", "deployment", DECODE, "-n", NAMESPACE, "--replicas=0")
    monitored.fires("NoReadyEndpoint")
    kubectl("scale", "deployment", DECODE, "-n", NAMESPACE, "--replicas=3")
    monitored.clears("NoReadyEndpoint")


def test_an_endpoint_picker_that_is_gone_is_told_of(monitored: Monitored) -> None:
    kubectl = monitored.stack.project.kubectl
    kubectl("scale", "deployment", PICKER, "-n", NAMESPACE, "--replicas=0")
    monitored.fires("EndpointPickerAbsent")
    kubectl("scale", "deployment", PICKER, "-n", NAMESPACE, "--replicas=1")
    monitored.clears("EndpointPickerAbsent")
