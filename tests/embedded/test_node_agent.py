"""The node agent on a real control plane: real programs in pods, run as the cluster says. 20 s."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recording import ROOT

import tools
from embedded.agent import this_machine
from embedded.cluster import AGENT, Cluster, Node

pytestmark = [pytest.mark.engine]

SECONDS = 30.0
WITHOUT_CONTAINERS = """
import embedded.agent
from embedded.agent.machine import MachineError

def this_machine(root, *, trees=()):
    raise MachineError("no namespaces here")

embedded.agent.this_machine = this_machine
"""
"""What the agent's interpreter runs first."""
PORT = 8000


def kubectl(cluster: Cluster, *words: str, stdin: Any = None) -> str:
    done = subprocess.run(  # noqa: S603 - our own words
        [tools.resolve("kubectl"), f"--kubeconfig={cluster.kubeconfig}", *words],
        input=json.dumps(stdin) if stdin else None,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def create(cluster: Cluster, *objects: dict[str, Any]) -> None:
    kubectl(cluster, "create", "-f-", stdin={"apiVersion": "v1", "kind": "List", "items": objects})


def get(cluster: Cluster, *words: str) -> Any:
    return json.loads(kubectl(cluster, "get", *words, "-o", "json"))


def eventually(ask: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (answer := ask()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return answer


def server(name: str, **spec: Any) -> dict[str, Any]:
    container = {
        "name": "server",
        "image": "ghcr.io/llm-d/llm-d-inference-sim:v0.7.1",
        "args": ["--model=$(MODEL)", f"--port={PORT}"],
        "env": [{"name": "MODEL", "value": "tiny"}],
        "readinessProbe": {"httpGet": {"path": "/v1/models", "port": PORT}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [container], **spec},
    }


def balancer(name: str, port: int = 8080) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": name},
            "ports": [{"port": port, "targetPort": PORT}],
        },
    }


def address_of(cluster: Cluster, service: str) -> str:
    where = "jsonpath={.status.loadBalancer.ingress[0].ip}"
    return eventually(
        lambda: kubectl(cluster, "get", "service", service, "-o", where),
        "the Service gets an address",
    )


def status(cluster: Cluster, pod: str) -> dict[str, Any]:
    return get(cluster, "pod", pod)["status"]["containerStatuses"][0]


def ready(cluster: Cluster, pod: str) -> None:
    kubectl(cluster, "wait", f"pod/{pod}", "--for=condition=Ready", f"--timeout={SECONDS:.0f}s")


def events(cluster: Cluster, pod: str) -> dict[str, str]:
    """Reason -> message."""
    items = get(cluster, "events", f"--field-selector=involvedObject.name={pod}")["items"]
    return {one["reason"]: one["message"] for one in items}


def models(address: str) -> list[str]:
    with urllib.request.urlopen(f"http://{address}:8080/v1/models", timeout=5) as answer:
        return [one["id"] for one in json.load(answer)["data"]]


def test_a_server_is_reached_from_this_machine_and_outlives_its_agent(
    control_plane: Cluster,
) -> None:
    create(control_plane, server("web"), balancer("web"))
    ready(control_plane, "web")
    address = address_of(control_plane, "web")
    assert models(address) == ["tiny"]

    before = status(control_plane, "web")
    os.kill(control_plane.running()[AGENT], signal.SIGKILL)
    eventually(lambda: AGENT not in control_plane.running(), "the agent has ended")
    control_plane.start()

    assert eventually(lambda: _answer(address), "the new agent carries on") == ["tiny"]
    assert status(control_plane, "web") == before, "nothing was restarted"


def _answer(address: str) -> list[str]:
    try:
        return models(address)
    except OSError:
        return []


def test_a_container_that_is_killed_is_restarted_at_once_and_then_later(
    control_plane: Cluster,
) -> None:
    create(control_plane, server("crashing"))
    ready(control_plane, "crashing")
    uid = get(control_plane, "pod", "crashing")["metadata"]["uid"]
    here = this_machine(control_plane.root)

    here.signal(uid, "server", signal.SIGKILL)
    eventually(lambda: status(control_plane, "crashing")["restartCount"] == 1, "it is restarted")
    ready(control_plane, "crashing")
    said = status(control_plane, "crashing")
    assert said["lastState"]["terminated"]["exitCode"] == 128 + signal.SIGKILL
    log = control_plane.root / "logs" / "default" / "crashing" / "server.log"
    assert log.read_text().count("tiny") >= 2, "both runs are there"

    here.signal(uid, "server", signal.SIGKILL)
    eventually(
        lambda: "CrashLoopBackOff" in json.dumps(status(control_plane, "crashing")["state"]),
        "the second time it waits",
    )
    assert "BackOff" in events(control_plane, "crashing")


def test_deletion_waits_as_long_as_the_pod_asks_for(control_plane: Cluster) -> None:
    slow = server("slow", terminationGracePeriodSeconds=20)
    slow["spec"]["containers"][0]["lifecycle"] = {"preStop": {"sleep": {"seconds": 2}}}
    create(control_plane, slow)
    ready(control_plane, "slow")
    uid = get(control_plane, "pod", "slow")["metadata"]["uid"]

    began = time.monotonic()
    kubectl(control_plane, "delete", "pod", "slow")

    assert 2 <= time.monotonic() - began < 10
    eventually(lambda: uid not in this_machine(control_plane.root).pods(), "nothing of it is left")


def test_a_pods_token_may_do_what_its_account_may_and_no_more(control_plane: Cluster) -> None:
    role = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}
    meta = {"name": "reader"}
    group = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": "default"}
    create(
        control_plane,
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": [role]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "reader"},
            "subjects": [subject],
        },
    )
    create(control_plane, server("asking", serviceAccountName="reader"))
    ready(control_plane, "asking")
    pod = get(control_plane, "pod", "asking")
    [volume] = pod["spec"]["volumes"]
    folder = control_plane.root / "pods" / pod["metadata"]["uid"] / "volumes" / volume["name"]
    assert (folder / "namespace").read_text() == "default"

    def may(what: str) -> str:
        """As the pod would ask, with what it finds in its files."""
        config = json.loads(kubectl(control_plane, "config", "view", "-o", "json"))
        done = subprocess.run(  # noqa: S603 - our own words
            [
                *(tools.resolve("kubectl"), "--kubeconfig", os.devnull, "get", what),
                *("--server", config["clusters"][0]["cluster"]["server"]),
                *("--certificate-authority", folder / "ca.crt"),
                *("--token", (folder / "token").read_text()),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stderr

    assert may("pods") == ""
    assert "system:serviceaccount:default:reader" in may("secrets")


def test_a_pod_without_a_program_is_simulated_and_says_so(control_plane: Cluster) -> None:
    other = server("other")
    other["spec"]["containers"][0]["image"] = "docker.io/library/nginx:1.29"
    create(control_plane, other)
    ready(control_plane, "other")

    said = events(control_plane, "other")
    assert said["Simulated"].endswith(
        "no program of this machine stands for " + other["spec"]["containers"][0]["image"]
    )
    assert not status(control_plane, "other").get("containerID")
    kubectl(control_plane, "delete", "pod", "other")


def test_a_pod_that_asks_for_more_memory_than_there_is_is_simulated_and_the_user_told(
    control_plane: Cluster,
) -> None:
    # Bound by itself: the scheduler would look for a node that has as much.
    large = server("large", nodeName="node-0")
    large["spec"]["containers"][0]["resources"] = {"requests": {"memory": "1Pi"}}
    create(control_plane, large)
    ready(control_plane, "large")

    [told] = [one for one in control_plane.troubles() if "large" in one]
    assert told.startswith(
        "pod large is simulated, and answers nothing: it asks for 1048576.0 GiB of memory"
    )
    assert told.endswith("GiB free; lower `resources`, or end what takes memory")
    kubectl(control_plane, "delete", "pod", "large")
    assert not any("large" in one for one in control_plane.troubles())


def test_a_port_that_is_taken_is_told_to_the_user_and_served_once_it_is_free(
    control_plane: Cluster,
) -> None:
    create(control_plane, balancer("first", 8090))
    address = address_of(control_plane, "first")
    with socket.create_server((address, 8091)):
        create(control_plane, balancer("second", 8091))

        assert address_of(control_plane, "second") == address, "nobody waits for one in vain"
        taken = (
            f"Service second is not served: cannot listen at {address}:8091 (host):"
            " Address already in use; end what has it"
        )
        eventually(lambda: taken in control_plane.troubles(), "a port of somebody else's")

    eventually(lambda: taken not in control_plane.troubles(), "it tries again")
    # With nobody behind it, a connection is cut, maybe before it is seen to be there.
    with contextlib.suppress(ConnectionResetError):
        socket.create_connection((address, 8091), 5).close()
    kubectl(control_plane, "delete", "service", "first", "second")


def test_services_that_ask_for_the_same_port_have_an_address_each_and_keep_it(
    control_plane: Cluster,
) -> None:
    names = ("former", "latter")
    create(control_plane, *(server(name) for name in names))
    create(control_plane, *(balancer(name) for name in names))
    addresses = [address_of(control_plane, name) for name in names]
    for name in names:
        ready(control_plane, name)

    assert len({*addresses}) == 2
    for address in addresses:
        assert models(address) == ["tiny"]
    assert not any("not served" in one for one in control_plane.troubles())
    kubectl(control_plane, "delete", "service", "former")
    assert models(addresses[1]) == ["tiny"]
    assert address_of(control_plane, "latter") == addresses[1]
    kubectl(control_plane, "delete", "service", "latter")
    kubectl(control_plane, "delete", "pod", *names, "--force")


def test_containers_run_on_while_the_api_server_is_away(control_plane: Cluster) -> None:
    create(control_plane, server("lasting"))
    ready(control_plane, "lasting")
    before, running = status(control_plane, "lasting"), control_plane.running()

    os.kill(running["kube-apiserver"], signal.SIGKILL)
    eventually(lambda: "kube-apiserver" not in control_plane.running(), "it has ended")
    control_plane.start()

    assert control_plane.running()[AGENT] == running[AGENT]
    assert status(control_plane, "lasting") == before
    uid = get(control_plane, "pod", "lasting")["metadata"]["uid"]
    this_machine(control_plane.root).signal(uid, "server", signal.SIGKILL)
    eventually(lambda: status(control_plane, "lasting")["restartCount"] == 1, "it tells again")


def test_a_machine_without_containers_simulates_every_pod_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_CONTAINERS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), str(ROOT))))
    cluster = Cluster(root=tmp_path / "cluster", tools=tools.resolve)
    cluster.up([Node(name="node-0", allocatable={"cpu": "4"}, labels={})])
    assert cluster.simulated() == "no namespaces here"

    create(cluster, server("web"), balancer("web"))
    ready(cluster, "web")
    eventually(lambda: "Simulated" in events(cluster, "web"), "the pod and the Service say so")
    eventually(
        lambda: get(cluster, "service", "web")["status"]["loadBalancer"].get("ingress"),
        "whoever waits for an address gets one",
    )
    assert cluster.troubles() == ["all pods are simulated, and answer nothing: no namespaces here"]
    cluster.down()
    assert cluster.running() == {}
