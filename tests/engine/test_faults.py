"""Faults with traffic running: what clients notice of each, counted and printed.

One stack for all, in the order in which they stand here; each begins and ends with all pods ready.
"""

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from engine.project import EMBEDDED, Project
from engine.traffic import Counts, Traffic

pytestmark = [pytest.mark.engine]

RATE = 20.0
READY_SECONDS = 60.0
NAMESPACE = "llm-d-inference-scheduler"
DECODE = "ms-inference-scheduling-llm-d-modelservice-decode"
PICKER = "gaie-inference-scheduling-epp"
FRONT = "infra-inference-scheduling-inference-gateway"


class Stack:
    """The deployed stack, and ways to break it."""

    def __init__(self, project: Project, traffic: Traffic) -> None:
        self.project = project
        self.traffic = traffic

    def pods(self, owner: str) -> list[dict[str, Any]]:
        """Those that are to stay: the others answer what they have begun, and get nothing new."""
        said = self.project.kubectl("get", "pods", "-n", NAMESPACE, "-o", "json")
        pods: list[dict[str, Any]] = json.loads(said)["items"]
        return [
            one
            for one in pods
            if one["metadata"]["name"].startswith(owner)
            and "deletionTimestamp" not in one["metadata"]
        ]

    def processes(self, owner: str, program: str) -> list[int]:
        """Those that run `program` in a pod of `owner`'s; a pod's name is its host name."""
        names = {one["metadata"]["name"] for one in self.pods(owner)}
        return [
            int(folder.name)
            for folder in Path("/proc").glob("[0-9]*")
            if hostname(folder) in names and program in command(folder)
        ]

    def ready(self, owner: str) -> int:
        return sum(
            one["type"] == "Ready" and one["status"] == "True"
            for pod in self.pods(owner)
            for one in pod["status"].get("conditions") or ()
        )

    def wait(self, owner: str, count: int) -> None:
        """Until so many pods are ready, no more and no fewer."""
        deadline = time.monotonic() + READY_SECONDS
        while (found := self.ready(owner)) != count:
            assert time.monotonic() < deadline, f"{found} of {owner} ready, not {count}"
            time.sleep(0.2)

    @contextmanager
    def reached(self, pod: str) -> Generator[str]:
        """The URL under which this machine reaches one pod."""
        kubectl = self.project.kubectl
        kubectl(
            *("expose", "pod", pod, "-n", NAMESPACE, "--name=one", "--type=LoadBalancer"),
            *("--port=18000", "--target-port=8000", f"--selector=pod={pod}"),
        )
        kubectl("label", "pod", pod, "-n", NAMESPACE, f"pod={pod}")
        address = kubectl(
            *("wait", "service", "one", "-n", NAMESPACE, "--timeout=20s", "-o"),
            "jsonpath={.status.loadBalancer.ingress[0].ip}",
            "--for=jsonpath={.status.loadBalancer.ingress[0].ip}",
        )
        yield f"http://{address}:18000"
        kubectl("delete", "service", "one", "-n", NAMESPACE)

    def served(self) -> dict[str, int]:
        """Id of a question -> how many servers answered it, as far as their logs are there."""
        logs = self.project.cluster.glob(f"logs/{NAMESPACE}/{DECODE}*/*.log*")
        lines = [line.split() for log in logs for line in log.read_text().splitlines()]
        return Counter(words[1] for words in lines if words[2:3] == ["200"])

    def counts(self, fault: str, capfd: pytest.CaptureFixture[str]) -> Counts:
        counted = self.traffic.counts(self.served())
        with capfd.disabled():
            print(f"\n{fault}: {counted}")  # noqa: T201 - the figures are the point
        return counted


def fault(url: str, mode: str) -> None:
    """Have the simulated server behave so from now on."""
    body = json.dumps({"mode": mode}).encode()
    asked = urllib.request.Request(f"{url}/fault", body, {"Content-Type": "application/json"})  # noqa: S310 - ours
    deadline = time.monotonic() + 10
    while True:
        try:
            urllib.request.urlopen(asked, timeout=5).close()  # noqa: S310 - our own server
        except OSError:
            # The Service has no endpoint yet.
            assert time.monotonic() < deadline
            time.sleep(0.2)
        else:
            return


def hostname(folder: Path) -> str:
    try:
        said = (folder / "environ").read_bytes()
    except OSError:
        return ""
    pairs = {one.partition(b"=")[0]: one.partition(b"=")[2] for one in said.split(b"\0")}
    return pairs[b"HOSTNAME"].decode() if b"HOSTNAME" in pairs else ""


def command(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    project = Project.create(tmp_path_factory.mktemp("faults") / "project", "embedded", EMBEDDED)
    try:
        up = project.act("up")
        assert up.code == 0, up.said
        url = project.outputs()["gatewayUrl"]
        made = Stack(project, Traffic(url))
        # So that it takes orders to misbehave.
        project.kubectl(
            *("set", "env", "deploy", DECODE, "-n", NAMESPACE, "VLLM_SERVER_DEV_MODE=1")
        )
        project.kubectl("rollout", "status", "deploy", DECODE, "-n", NAMESPACE)
        made.traffic.learn()
        yield made
    finally:
        project.act("down")


def test_a_killed_model_server_costs_no_question_that_was_not_being_answered(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    with stack.traffic.at(RATE) as traffic:
        traffic.wait_for(2)
        traffic.strike()
        os.kill(stack.processes(DECODE, "simulator")[0], signal.SIGKILL)
        traffic.wait_for(6)
    counted = stack.counts("model server killed", capfd)
    stack.wait(DECODE, 3)

    assert (counted.lost, counted.wrong) == (0, 0)
    assert (counted.doubled, counted.repeated) == (0, 0)


def test_a_server_that_answers_500_costs_no_question(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    pod = stack.pods(DECODE)[0]["metadata"]["name"]
    with stack.reached(pod) as url, stack.traffic.at(RATE) as traffic:
        traffic.wait_for(2)
        traffic.strike()
        fault(url, "error")
        traffic.wait_for(5)
        fault(url, "none")
    counted = stack.counts("model server answers 500", capfd)

    assert (counted.lost, counted.cut, counted.wrong) == (0, 0, 0)
    assert (counted.doubled, counted.repeated) == (0, 0)


def test_a_server_that_hangs_is_replaced_and_costs_no_question(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    with stack.traffic.at(RATE) as traffic:
        traffic.wait_for(2)
        traffic.strike()
        os.kill(stack.processes(DECODE, "simulator")[0], signal.SIGSTOP)
        traffic.wait_for(50)
    counted = stack.counts("model server hung", capfd)
    stack.wait(DECODE, 3)

    assert (counted.lost, counted.wrong) == (0, 0)
    assert (counted.doubled, counted.repeated) == (0, 0)


def test_without_its_endpoint_picker_a_gateway_goes_on(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    with stack.traffic.at(RATE) as traffic:
        traffic.wait_for(2)
        os.kill(stack.processes(PICKER, "epp")[0], signal.SIGKILL)
        traffic.strike()
        traffic.wait_for(10)
    counted = stack.counts("endpoint picker killed", capfd)
    stack.wait(PICKER, 1)

    # Not `repeated`: an answer that had yet to pass the endpoint picker is asked for again.
    assert (counted.lost, counted.wrong, counted.doubled) == (0, 0, 0)


def test_a_killed_envoy_costs_only_what_it_carried(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    with stack.traffic.at(RATE) as traffic:
        traffic.wait_for(2)
        traffic.strike()
        os.kill(stack.processes(FRONT, "envoy")[0], signal.SIGKILL)
        traffic.wait_for(5)
    counted = stack.counts("Envoy killed", capfd)
    stack.wait(FRONT, 2)

    assert (counted.wrong, counted.doubled, counted.repeated) == (0, 0, 0)


def test_scaling_down_and_up_costs_no_question(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    with stack.traffic.at(RATE) as traffic:
        traffic.wait_for(1)
        traffic.strike()
        for replicas in (1, 4, 3):
            stack.project.kubectl(
                "scale", "deploy", DECODE, "-n", NAMESPACE, f"--replicas={replicas}"
            )
            stack.wait(DECODE, replicas)
            traffic.wait_for(2)
    counted = stack.counts("replicas 3 -> 1 -> 4 -> 3", capfd)

    assert (counted.lost, counted.cut, counted.wrong) == (0, 0, 0)
    assert (counted.doubled, counted.repeated) == (0, 0)


def test_a_new_scheduler_by_pulumi_up_costs_no_question(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    model = {**EMBEDDED["models"][0], "scheduler": {"preset": "queue"}}
    stack.project.write(EMBEDDED | {"models": [model]})
    with stack.traffic.at(RATE) as traffic:
        traffic.wait_for(1)
        traffic.strike()
        up = stack.project.act("up")
        # The old one goes on for as long as a pod drains.
        traffic.wait_for(35)
    counted = stack.counts("scheduler changed by pulumi up", capfd)

    assert up.code == 0, up.said
    assert (counted.lost, counted.cut, counted.wrong) == (0, 0, 0)
    assert (counted.doubled, counted.repeated) == (0, 0)


def test_new_pods_for_all_cost_no_question(stack: Stack, capfd: pytest.CaptureFixture[str]) -> None:
    with stack.traffic.at(RATE) as traffic:
        traffic.wait_for(1)
        traffic.strike()
        for owner, count in {DECODE: 3, PICKER: 1, FRONT: 2}.items():
            stack.project.kubectl("rollout", "restart", "deploy", owner, "-n", NAMESPACE)
            stack.project.kubectl("rollout", "status", "deploy", owner, "-n", NAMESPACE)
            stack.wait(owner, count)
        traffic.wait_for(40)
    counted = stack.counts("all pods replaced", capfd)

    assert (counted.lost, counted.cut, counted.wrong) == (0, 0, 0)
    assert (counted.doubled, counted.repeated) == (0, 0)


def test_half_a_minute_without_api_server_costs_no_question(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    with stack.traffic.at(RATE) as traffic:
        traffic.wait_for(1)
        traffic.strike()
        subprocess.run(  # noqa: S603 - our own words
            ["pkill", "-STOP", "-f", f"kube-apiserver.*{stack.project.cluster}"],  # noqa: S607
            check=True,
        )
        traffic.wait_for(30)
        subprocess.run(  # noqa: S603 - our own words
            ["pkill", "-CONT", "-f", f"kube-apiserver.*{stack.project.cluster}"],  # noqa: S607
            check=True,
        )
        traffic.wait_for(3)
    counted = stack.counts("API server away for 30 s", capfd)

    assert (counted.lost, counted.cut, counted.wrong) == (0, 0, 0)
    assert (counted.doubled, counted.repeated) == (0, 0)
