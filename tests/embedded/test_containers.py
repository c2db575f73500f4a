"""From a pod's spec to a program: words, variables, files, and what cannot be had. A second."""

import base64
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pods import container, pod

from embedded.agent import model, programs, volumes
from embedded.agent.__main__ import Addresses as Pool
from embedded.agent.containers import resolve
from embedded.agent.decide import Life, Tally
from embedded.agent.environment import (
    Addresses,
    NotYetError,
    environment,
    expand,
    field,
    service_variables,
)
from embedded.agent.machine import Ended, Endpoint, Mount, Running, Side
from embedded.agent.pod import bound
from embedded.agent.programs import LocalProgram, SimulatedError
from embedded.agent.services import Route, balanced, routes, targets
from embedded.agent.status import remembered, status
from tools import Missing

HERE = Addresses(pod="198.18.1.7", node="198.18.0.1")
LOCAL = {
    "docker.io/envoyproxy/envoy": LocalProgram(
        entrypoints=frozenset({"envoy"}),
        argv=lambda: ("/opt/envoy",),
        env={"LOCAL": "1"},
        files=lambda: {"/etc/of-the-image": Path("/opt/file")},
    )
}


WHY = {"bad": "it knows no such word"}


class Cluster:
    """ConfigMaps and Secrets by their names."""

    def __init__(self, **data: dict[str, str]) -> None:
        self.data = data

    def configmap(self, name: str) -> dict[str, Any] | None:
        return {"data": self.data[name]} if name in self.data else None

    def secret(self, name: str) -> dict[str, Any] | None:
        if name not in self.data:
            return None
        coded = {k: base64.b64encode(v.encode()).decode() for k, v in self.data[name].items()}
        return {"data": coded}


def variables(*env: dict[str, Any], cluster: Cluster | None = None, **more: Any) -> dict[str, str]:
    one = container(env=[*env], **more)
    return environment(pod(containers=[one]), one, cluster or Cluster(), HERE, {"GIVEN": "yes"})


def test_variables_refer_to_those_before_them() -> None:
    made = variables(
        {"name": "A", "value": "a"},
        {"name": "B", "value": "$(A)$(GIVEN)-$(C)-$$(A)"},
        {"name": "C", "value": "c"},
    )

    assert made["B"] == "ayes-$(C)-$(A)"


@given(st.text(st.sampled_from("$()AB"), max_size=12))
def test_what_is_known_is_expanded_once_and_nothing_else_is_touched(text: str) -> None:
    assert expand(text, {}).replace("$", "") == text.replace("$", "")
    assert "$(A)" not in expand(text.replace("$$", ""), {"A": "x"}).replace("$$(", "")


def test_variables_come_from_the_pod_its_resources_configmaps_and_secrets() -> None:
    made = variables(
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {
            "name": "MEMORY",
            "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}},
        },
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu"}}},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "token", "key": "k"}}},
        {
            "name": "NONE",
            "valueFrom": {"configMapKeyRef": {"name": "x", "key": "k", "optional": True}},
        },
        cluster=Cluster(token={"k": "s3cret"}, all={"one": "1"}),
        envFrom=[{"prefix": "P_", "configMapRef": {"name": "all"}}],
        resources={"limits": {"memory": "512Mi"}, "requests": {"cpu": "100m"}},
    )

    assert made["IP"] == "198.18.1.7"
    assert (made["APP"], made["MEMORY"], made["CPU"]) == ("web", "512", "1")
    assert (made["KEY"], made["P_one"]) == ("s3cret", "1")
    assert "NONE" not in made


def test_a_missing_secret_is_waited_for() -> None:
    key = {"secretKeyRef": {"name": "token", "key": "k"}}
    with pytest.raises(NotYetError, match="secret 'token' not found"):
        variables({"name": "KEY", "valueFrom": key})
    with pytest.raises(NotYetError, match="couldn't find key k"):
        variables({"name": "KEY", "valueFrom": key}, cluster=Cluster(token={}))


def test_labels_as_a_file_are_quoted() -> None:
    one = pod()
    one["metadata"]["labels"] = {"b": 'say "x"', "a": "1"}
    assert field(one, "metadata.labels", HERE) == 'a="1"\nb="say \\"x\\""'


def test_every_container_is_told_where_the_api_server_is() -> None:
    def service(namespace: str, name: str) -> dict[str, Any]:
        ports = [{"name": "https", "port": 443}]
        return {
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"clusterIP": "198.19.0.9", "ports": ports},
        }

    everything = [service("default", "kubernetes"), service("shop", "my-vllm")]
    few = service_variables(everything, "shop", links=False)
    assert few["KUBERNETES_SERVICE_HOST"] == "198.19.0.9"
    assert few["KUBERNETES_SERVICE_PORT"] == "443"
    assert not [name for name in few if name.startswith("MY_VLLM")]
    linked = service_variables(everything, "shop", links=True)
    assert linked["MY_VLLM_PORT"] == "tcp://198.19.0.9:443"


def test_a_program_stands_for_an_image_and_its_own_entrypoint_alone() -> None:
    envoy = LOCAL["docker.io/envoyproxy/envoy"]
    assert programs.argv(envoy, (), ("-c", "x")) == ("/opt/envoy", "-c", "x")
    assert programs.argv(envoy, ("envoy", "-c"), ("x",)) == ("/opt/envoy", "-c", "x")
    with pytest.raises(SimulatedError, match="`sh` is not the image's own entrypoint"):
        programs.argv(envoy, ("sh", "-c"), ("envoy",))


def test_a_pod_whose_program_is_not_installed_is_told_what_installs_it() -> None:
    def missing() -> dict[str, Path]:
        raise Missing("pilot-agent", "not installed yet", way_out="run it")

    without = {name: replace(one, files=missing) for name, one in LOCAL.items()}
    with pytest.raises(Missing, match="pilot-agent"):
        model.check(pod(containers=[container()]), without)


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("nginx", "docker.io/library/nginx"),
        ("envoyproxy/envoy:v1", "docker.io/envoyproxy/envoy"),
        ("ghcr.io/llm-d/x:v0.5.0", "ghcr.io/llm-d/x"),
        ("localhost:5000/x", "localhost:5000/x"),
        ("ghcr.io/llm-d/x@sha256:00", "ghcr.io/llm-d/x"),
    ],
)
def test_an_images_name_is_understood_as_runtimes_do(image: str, repository: str) -> None:
    assert programs.repository(image) == repository


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"hostNetwork": True}, "hostNetwork is not supported"),
        (
            {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]},
            "volume v: persistentVolumeClaim is not supported",
        ),
        (
            {"containers": [container(livenessProbe={"exec": {"command": ["x"]}})]},
            "container main: livenessProbe: exec is not supported",
        ),
        (
            {"containers": [container(lifecycle={"preStop": {"exec": {"command": ["x"]}}})]},
            "container main: of the lifecycle hooks only a preStop sleep is supported",
        ),
        ({"containers": [{"name": "a", "image": "nginx"}]}, "no program of this machine"),
        ({"containers": [container(command=["sh"])]}, "`sh` is not the image's own entrypoint"),
    ],
)
def test_what_a_pod_cannot_have_here_is_said(spec: dict[str, Any], reason: str) -> None:
    with pytest.raises(SimulatedError, match=reason):
        model.check(pod(**spec), LOCAL)


@pytest.mark.parametrize(
    ("file", "refused"), [({"a.yaml": "good"}, False), ({"a.yaml": "bad"}, True), (None, False)]
)
def test_a_pod_whose_program_would_end_over_its_files_is_not_run(
    file: dict[str, str] | None,
    refused: bool,  # noqa: FBT001 - from the table
) -> None:
    picky = {"docker.io/envoyproxy/envoy": replace(*LOCAL.values(), refuses=WHY.get)}
    volumes = [
        {"name": "config", "configMap": {"name": "theirs"}},
        {"name": "other", "configMap": {"name": "unread"}},
    ]
    mounts = [{"name": "config", "mountPath": "/config"}]
    one = pod(containers=[container(volumeMounts=mounts)], volumes=volumes)

    def look() -> None:
        model.check_files(one, {"theirs": file, "unread": {"a.yaml": "bad"}}.get, picky)

    if refused:
        with pytest.raises(SimulatedError, match="it knows no such word"):
            look()
    else:
        look()


def test_a_pod_that_asks_for_more_memory_than_is_free_is_not_run() -> None:
    one = pod(containers=[container(resources={"requests": {"memory": "2Gi"}})])
    model.check_memory(one, 3 << 30)
    with pytest.raises(
        SimulatedError, match=r"asks for 2.0 GiB of memory.* 1.0 GiB free; lower `resources`"
    ):
        model.check_memory(one, 1 << 30)


def test_a_container_is_resolved_to_a_program(tmp_path: Path) -> None:
    one = pod(
        containers=[
            container(
                args=["--at=$(IP)"],
                env=[{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
                securityContext={"readOnlyRootFilesystem": True, "runAsUser": 7},
                volumeMounts=[{"name": "tmp", "mountPath": "/tmp", "subPath": "inner"}],  # noqa: S108
            )
        ],
        securityContext={"runAsUser": 5, "fsGroup": 9, "supplementalGroups": [9, 10]},
        volumes=[{"name": "tmp", "emptyDir": {}}],
    )

    made = resolve(
        one, "main", Cluster(), HERE, {}, {"tmp": tmp_path}, tmp_path / "main.log", LOCAL
    )

    assert made.argv == ("/opt/envoy", "--at=198.18.1.7")
    assert made.env["LOCAL"] == "1"
    assert (made.user, made.group, made.groups) == (7, 7, (9, 10))
    assert made.read_only_root
    assert made.mounts == (
        Mount(source=Path("/opt/file"), target="/etc/of-the-image", read_only=True),
        Mount(source=tmp_path / "inner", target="/tmp", read_only=False),  # noqa: S108
    )


def test_files_are_exchanged_as_a_whole_and_those_that_went_are_gone(tmp_path: Path) -> None:
    def files(**texts: str) -> dict[str, volumes.File]:
        return {name: volumes.File(text.encode(), 0o640) for name, text in texts.items()}

    volumes.write(tmp_path, files(a="1", b="1"), None)
    before = (tmp_path / volumes.DATA).readlink()
    volumes.write(tmp_path, files(a="1", b="1"), None)
    assert (tmp_path / volumes.DATA).readlink() == before, "nothing has changed"

    volumes.write(tmp_path, files(a="2", c="2"), None)
    there = {path.name for path in tmp_path.iterdir() if not path.name.startswith("..")}
    assert there == {"a", "c"}
    assert (tmp_path / "a").read_text() == "2"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    assert not (tmp_path / before).exists()


def test_a_projected_volume_has_the_token_the_authority_and_the_namespace() -> None:
    volume = {
        "name": "api",
        "projected": {
            "defaultMode": 0o600,
            "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
                {"configMap": {"name": "root-ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {
                    "downwardAPI": {
                        "items": [
                            {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
                        ]
                    }
                },
            ],
        },
    }

    made = volumes.content(
        pod(),
        volume,
        Cluster(**{"root-ca": {"ca.crt": "CA", "else": ""}}),
        HERE,
        lambda said: f"good for {said['expirationSeconds']}",
    )

    assert made
    texts = {name: file.content.decode() for name, file in made.items()}
    assert texts == {"token": "good for 3607", "ca.crt": "CA", "namespace": "shop"}
    assert {file.mode for file in made.values()} == {0o600}


def test_a_new_agent_knows_from_the_status_what_the_last_one_knew() -> None:
    one = pod(containers=[container(readinessProbe={"tcpSocket": {"port": 1}}), container("two")])
    read = model.read(one)
    known = {
        "main": Life(
            run=Running(started=1795273886.1234567),
            before=Ended(started=900.1234567891, ended=950.0, code=3),
            restarts=2,
            short=2,
            tallies={model.Check.READINESS: Tally(verdict=True)},
        ),
        "two": Life(run=Ended(started=990.0, ended=995.0, code=1), short=1, waiting=True),
    }
    said = status(one, read, known, HERE, time.time(), {})

    again = remembered({**one, "status": said}, read)

    assert {name: life.run for name, life in again.items()} == {
        name: life.run for name, life in known.items()
    }
    assert again["main"].before == known["main"].before
    assert again["main"].restarts == 2
    assert status(one, read, again, HERE, time.time(), {})["containerStatuses"][0]["ready"]


def test_only_ready_endpoints_of_this_machine_are_behind_a_port() -> None:
    service = {
        "metadata": {"namespace": "shop", "name": "web", "creationTimestamp": "1"},
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": "198.19.0.9",
            "ports": [{"name": "http", "port": 80}, {"port": 53, "protocol": "UDP"}],
        },
    }
    found = list(routes([service], {"shop/web": "127.65.0.1"}))
    assert [one.at for one in found] == [
        Endpoint(Side.PODS, "198.19.0.9", 80),
        Endpoint(Side.HOST, "127.65.0.1", 80),
    ]
    endpoints = [
        {"addresses": ["198.18.1.1"], "conditions": {"ready": True}},
        {"addresses": ["198.18.1.2"], "conditions": {"ready": False}},
        {"addresses": ["10.0.0.3"], "conditions": {"ready": True}},
    ]
    slices = {
        "metadata": {"namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": endpoints,
    }

    assert targets([slices], found[0]) == [Endpoint(Side.PODS, "198.18.1.1", 8080)]
    other = Route(at=found[0].at, service="shop/other", port="http")
    assert targets([slices], other) == []


def a_balancer(name: str, made: int, *ports: int, at: str | None = None) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop", "name": name, "creationTimestamp": str(made)},
        "spec": {"type": "LoadBalancer", "ports": [{"port": port} for port in ports]},
        "status": {"loadBalancer": {"ingress": [{"ip": at}] if at else None}},
    }


def test_services_share_an_address_but_where_they_ask_for_the_same_port() -> None:
    asked = [a_balancer("young", 2, 9002), a_balancer("old", 1, 9002), a_balancer("other", 3, 80)]

    assert balanced(asked, "127.65.0.255") == {
        "shop/old": "127.65.0.255",
        "shop/young": "127.65.1.0",
        "shop/other": "127.65.0.255",
    }


def test_a_service_keeps_the_address_that_it_has_until_an_older_one_needs_the_port() -> None:
    first, second = "127.65.0.1", "127.65.0.2"
    new, kept = a_balancer("new", 1, 80), a_balancer("kept", 2, 80, at=second)
    both = [a_balancer("old", 1, 80, at=first), a_balancer("young", 2, 80, at=first)]

    assert balanced([new, kept], first) == {"shop/kept": second, "shop/new": first}
    assert balanced(both, first) == {"shop/old": first, "shop/young": second}


def test_no_two_pods_have_one_address_and_each_keeps_its_own() -> None:
    pool = Pool({"old": "198.18.1.0"})
    given = {name: pool.take(name, None) for name in ("a", "b", "old")}
    assert len(set(given.values())) == 3
    assert given["old"] == "198.18.1.0"
    assert pool.take("c", given["a"]) != given["a"], "it is another's by now"
    pool.give_back("a")
    assert pool.take("d", given["a"]) == given["a"]


def test_a_log_that_has_grown_too_long_keeps_its_newer_half(tmp_path: Path) -> None:
    log = tmp_path / "main.log"
    writer = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    lines = [f"line {at}\n" for at in range(100)]
    os.write(writer, "".join(lines).encode())

    bound(log, 10_000)
    assert log.read_text() == "".join(lines)
    bound(log, 400)
    os.write(writer, b"more\n")
    os.close(writer)

    kept = log.read_text().splitlines(keepends=True)
    assert kept == [*lines[-len(kept) + 1 :], "more\n"]
    assert 100 < log.stat().st_size < 220
