"""What minikube, kind and podman are asked, word for word, and what is made of their answers."""

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench_of_tools import IMAGE, KIND, MINIKUBE, Bench

from machines import minikube
from machines.settings import Settings
from tools.errors import Missing

pytestmark = pytest.mark.slow

START = (
    "minikube start --profile=llm-d-cpu --driver=docker --cpus=8 --memory=24576mb "
    "--disk-size=102400mb --kubernetes-version=v1.34.0 --interactive=false"
)
MACHINE = "podman-machine-default"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench.create(tmp_path, monkeypatch)


def having(settings: Settings, **options: Any) -> Settings:
    return replace(settings, options={**settings.options, **options})


def test_minikube_is_started_with_what_the_stack_file_says(bench: Bench) -> None:
    identity = bench.cluster().up(MINIKUBE)

    assert identity == bench.there()["minikube"]["llm-d-cpu"]["uid"]
    assert {one["env"]["KUBECONFIG"] for one in bench.calls()} == {str(bench.root / "kubeconfig")}
    assert bench.did() == [START]
    assert stat.S_IMODE((bench.root / "kubeconfig").stat().st_mode) == 0o600


def test_minikube_gets_the_gpus_through_docker(bench: Bench) -> None:
    bench.cluster().up(having(replace(MINIKUBE, driver="auto"), gpus="all"))

    assert bench.did() == [f"{START} --gpus=all --container-runtime=docker"]


def test_minikube_on_a_podman_machine_is_told_of_its_cgroups_and_goes_by_its_root(
    bench: Bench,
) -> None:
    bench.cluster("darwin").up(replace(MINIKUBE, driver="auto"))

    assert {
        one["env"]["CONTAINER_CONNECTION"] for one in bench.calls() if one["words"][0] == "minikube"
    } == {f"{MACHINE}-root"}
    assert bench.did() == [
        f"podman machine init --cpus=10 --memory=28672 --disk-size=120 --rootful {MACHINE}",
        f"podman machine start {MACHINE}",
        START.replace("docker", "podman")
        + " --extra-config=kubelet.cgroup-driver=systemd"
        + " --extra-config=kubeadm.ignore-preflight-errors=SystemVerification",
    ]


def test_kind_is_made_from_a_file_that_pins_its_image_and_listens_on_loopback(
    bench: Bench,
) -> None:
    bench.cluster().up(KIND)

    file, kubeconfig = bench.root / "kind.yaml", bench.root / "kubeconfig"
    assert {one["env"].get("KIND_EXPERIMENTAL_PROVIDER") for one in bench.calls()} == {
        "podman",
        None,
    }
    assert bench.did() == [
        " ".join(
            (
                f"kind create cluster --config={file} --wait=300s",
                f"--name=llm-d-cpu --kubeconfig={kubeconfig}",
            )
        )
    ]
    port = {
        "containerPort": 30080,
        "hostPort": 8080,
        "listenAddress": "127.0.0.1",
        "protocol": "TCP",
    }
    assert json.loads(file.read_text()) == {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": "llm-d-cpu",
        "networking": {"apiServerAddress": "127.0.0.1"},
        "nodes": [{"role": "control-plane", "image": IMAGE, "extraPortMappings": [port]}],
    }


@pytest.mark.parametrize("settings", [MINIKUBE, KIND], ids=lambda one: one.kind)
def test_a_cluster_that_runs_is_left_running_and_its_kubeconfig_fetched(
    settings: Settings, bench: Bench
) -> None:
    identity = bench.cluster().up(settings)
    (bench.root / "kubeconfig").unlink()
    bench.did()

    assert bench.cluster().up(settings) == identity
    [did] = bench.did()
    assert did.startswith(("minikube update-context", "kind export kubeconfig"))


@pytest.mark.parametrize("settings", [MINIKUBE, KIND], ids=lambda one: one.kind)
def test_a_cluster_is_stopped_started_and_removed(settings: Settings, bench: Bench) -> None:
    cluster = bench.cluster()
    identity = cluster.up(settings)
    bench.did()

    cluster.stop()
    cluster.stop()
    assert cluster.status() == {"is": "stopped", "goesAlong": True}
    assert (
        bench.did()
        == {
            "minikube": ["minikube stop --profile=llm-d-cpu"],
            "kind": ["podman stop llm-d-cpu-control-plane"],
        }[settings.kind]
    )
    cluster.start()
    assert cluster.status()["is"] == "running"
    assert cluster.up(settings) == identity

    cluster.down()
    assert bench.is_empty()
    assert not bench.root.exists()
    cluster.down()


def test_minikube_that_tells_of_its_nodes_in_a_list_is_understood_too(bench: Bench) -> None:
    bench.world(lists=True)
    bench.cluster().up(MINIKUBE)

    assert bench.cluster().status()["is"] == "running"


@pytest.mark.parametrize("settings", [MINIKUBE, KIND], ids=lambda one: one.kind)
def test_a_cluster_of_somebody_elses_is_not_touched(settings: Settings, bench: Bench) -> None:
    theirs = {"llm-d-cpu": {"state": "running", "uid": "theirs"}}
    bench.world(**{settings.kind: theirs})

    with pytest.raises(Missing, match="this stack did not make it") as refused:
        bench.cluster().up(settings)
    bench.cluster().down()

    assert "cluster.adopt: true" in str(refused.value)
    assert bench.there()[settings.kind] == theirs
    assert bench.did() == []


@pytest.mark.parametrize("settings", [MINIKUBE, KIND], ids=lambda one: one.kind)
def test_one_that_is_adopted_is_used_and_left(settings: Settings, bench: Bench) -> None:
    bench.world(**{settings.kind: {"llm-d-cpu": {"state": "stopped", "uid": "theirs"}}})
    adopting = replace(settings, adopt=True)

    assert bench.cluster().up(adopting) == "theirs"
    assert bench.cluster().status() == {"is": "running", "goesAlong": False}
    bench.cluster().down()

    assert bench.there()[settings.kind]["llm-d-cpu"]["state"] == "running"
    assert not bench.root.exists()


@pytest.mark.parametrize("settings", [MINIKUBE, KIND], ids=lambda one: one.kind)
def test_another_cluster_of_the_same_name_is_told_apart_and_left(
    settings: Settings, bench: Bench
) -> None:
    cluster = bench.cluster()
    cluster.up(settings)
    theirs = {"llm-d-cpu": {"state": "running", "uid": "theirs"}}
    bench.world(**{settings.kind: theirs})

    assert cluster.status()["is"] == "another"
    with pytest.raises(Missing, match="this stack did not make it"):
        cluster.up(settings)
    cluster.down()

    assert bench.there()[settings.kind] == theirs


@pytest.mark.parametrize("settings", [MINIKUBE, KIND], ids=lambda one: one.kind)
def test_a_cluster_that_somebody_removed_is_gone_and_made_anew(
    settings: Settings, bench: Bench
) -> None:
    cluster = bench.cluster()
    before = cluster.up(settings)
    bench.world()

    assert cluster.status()["is"] == "gone"
    assert cluster.up(settings) not in {"", before}


def test_what_cannot_be_changed_is_another_cluster(bench: Bench) -> None:
    before = bench.cluster().up(MINIKUBE)
    bench.did()

    after = bench.cluster().up(having(MINIKUBE, memory=32768))

    assert after != before
    assert bench.did() == [
        "minikube update-context --profile=llm-d-cpu",
        "minikube delete --profile=llm-d-cpu",
        START.replace("24576", "32768"),
    ]


@pytest.mark.parametrize(("level", "state"), [("stopped", "stopped"), ("running", "running")])
def test_a_cluster_that_is_retained_is_taken_up_again(level: str, state: str, bench: Bench) -> None:
    settings = replace(MINIKUBE, retain=level)
    identity = bench.cluster().up(settings)

    bench.cluster().down()
    bench.cluster().down()

    assert bench.there()["minikube"]["llm-d-cpu"]["state"] == state
    assert bench.cluster().up(settings) == identity
    bench.cluster().down(retain="nothing")
    assert bench.is_empty()


def test_a_tool_that_fails_is_quoted_and_the_next_run_goes_on(bench: Bench) -> None:
    bench.world(fails={"minikube start": "X Exiting due to RSRC_DOCKER_CORES: 4 CPUs"})

    with pytest.raises(Missing) as failed:
        bench.cluster().up(MINIKUBE)
    bench.world()
    bench.cluster().up(MINIKUBE)

    assert "minikube start: failed with exit code 3" in str(failed.value)
    assert "RSRC_DOCKER_CORES" in str(failed.value)
    assert bench.cluster().status()["is"] == "running"


def test_an_engine_that_is_not_there_is_named_with_the_way_out(bench: Bench) -> None:
    bench.world(fails={"kind get clusters": "ERROR: cannot connect to Podman"})

    with pytest.raises(Missing) as failed:
        bench.cluster().up(KIND)

    assert "cannot connect to Podman" in str(failed.value)
    assert "podman info" in str(failed.value)


def test_a_tool_that_takes_too_long_is_ended_and_what_it_had_made_is_made_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (bench.home / "pause").write_text("minikube start during")
    monkeypatch.setattr(minikube, "START_SECONDS", 2.0)

    with pytest.raises(Missing, match="took too long"):
        bench.cluster().up(MINIKUBE)
    assert bench.there()["minikube"]["llm-d-cpu"]["state"] == "half"
    assert "minikube: * minikube is at it" in capfd.readouterr().err, "told as it comes"
    (bench.home / "pause").unlink()
    monkeypatch.setattr(minikube, "START_SECONDS", 600.0)
    bench.did()
    bench.cluster().up(MINIKUBE)

    assert bench.did() == ["minikube delete --profile=llm-d-cpu", START]


def test_a_missing_tool_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench.create(tmp_path, monkeypatch, ("kubectl",))

    with pytest.raises(Missing, match=r"minikube: not on PATH\n.*install minikube"):
        bench.cluster().up(MINIKUBE)
    with pytest.raises(Missing, match="neither podman nor docker"):
        bench.cluster().up(replace(MINIKUBE, driver="auto"))


def test_the_engine_that_was_found_at_first_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench.create(tmp_path, monkeypatch, ("docker", "minikube", "kubectl"))
    settings = replace(MINIKUBE, driver="auto")
    identity = bench.cluster().up(settings)
    (tmp_path / "bin" / "podman").symlink_to(tmp_path / "bin" / "docker")

    assert bench.cluster().up(settings) == identity
    assert bench.did()[0] == START


def test_hardware_of_another_architecture_is_refused_before_anything_is_made(
    bench: Bench,
) -> None:
    with pytest.raises(Missing, match="its nodes are amd64 as this machine is"):
        bench.cluster().up(replace(KIND, architecture="arm64"))

    assert bench.calls() == []


# Podman's machine


def of_machine(**said: Any) -> dict[str, Any]:
    sizes = {"cpus": 8, "memory": 24576, "disk-size": 100}
    return {MACHINE: {**sizes, "rootful": True, "state": "stopped", **said}}


def test_a_podman_machine_that_is_there_is_started_and_left(bench: Bench) -> None:
    bench.world(machine=of_machine(cpus=12))

    bench.cluster("darwin").up(KIND)
    bench.cluster("darwin").down()

    assert bench.there()["machine"] == of_machine(cpus=12, state="running")
    assert [one for one in bench.did() if one.startswith("podman machine")] == [
        f"podman machine start {MACHINE}"
    ]


@pytest.mark.parametrize(
    ("said", "why", "mended"),
    [
        ({"memory": 8192}, "has 8192 MiB of memory, and 24576 are needed", "--memory=24576"),
        ({"cpus": 4}, "has 4 CPUs, and 8 are needed", "podman machine set --rootful --cpus=8"),
        ({"rootful": False}, "is rootless", "podman machine set --rootful"),
        (
            {"disk-size": 50},
            "50 GiB, 100 are needed, and no disk can",
            "podman machine rm",
        ),
    ],
)
def test_a_podman_machine_that_will_not_do_is_its_owners_to_change(
    said: dict[str, Any], why: str, mended: str, bench: Bench
) -> None:
    bench.world(machine=of_machine(**said))

    with pytest.raises(Missing) as refused:
        bench.cluster("darwin").up(KIND)

    assert why in str(refused.value)
    assert mended in str(refused.value)
    assert bench.did() == []


def test_a_podman_machine_of_ours_is_resized_with_the_cluster_on_it(bench: Bench) -> None:
    identity = bench.cluster("darwin").up(KIND)
    bench.did()
    larger = replace(KIND, machine=replace(KIND.machine, memory=32768))

    assert bench.cluster("darwin").up(larger) == identity
    assert bench.did() == [
        f"podman machine stop {MACHINE}",
        f"podman machine set --cpus=8 --memory=32768 --rootful {MACHINE}",
        f"podman machine start {MACHINE}",
        "podman start llm-d-cpu-control-plane",
        f"kind export kubeconfig --name=llm-d-cpu --kubeconfig={bench.root / 'kubeconfig'}",
    ]


def test_another_disk_is_another_podman_machine(bench: Bench) -> None:
    before = bench.cluster("darwin").up(KIND)
    larger = replace(KIND, machine=replace(KIND.machine, disk=200))

    assert bench.cluster("darwin").up(larger) != before
    assert bench.there()["machine"][MACHINE]["disk-size"] == 200


def test_another_cluster_does_with_the_podman_machine_that_is_there(bench: Bench) -> None:
    bench.cluster("darwin").up(KIND)
    bench.did()

    bench.cluster("darwin").up(having(KIND, ports=[]))

    assert [one.split()[:3] for one in bench.did()] == [
        ["kind", "export", "kubeconfig"],
        ["kind", "delete", "cluster"],
        ["kind", "create", "cluster"],
    ]


def test_a_podman_machine_goes_with_its_cluster_or_is_kept(bench: Bench) -> None:
    keeping = replace(KIND, machine=replace(KIND.machine, keep=True))
    bench.cluster("darwin").up(keeping)
    bench.cluster("darwin").down()

    assert list(bench.there()["machine"]) == [MACHINE]
    assert bench.there()["kind"] == {}
    bench.cluster("darwin").up(KIND)
    bench.cluster("darwin").down()
    assert bench.is_empty()
    assert not bench.root.exists()


def test_a_cluster_is_stopped_with_its_podman_machine_and_starts_with_it(bench: Bench) -> None:
    identity = bench.cluster("darwin").up(KIND)
    bench.cluster("darwin").stop()

    assert bench.there()["machine"][MACHINE]["state"] == "stopped"
    assert bench.cluster("darwin").status()["is"] == "stopped"
    bench.cluster("darwin").start()
    assert bench.cluster("darwin").up(KIND) == identity


def test_a_cluster_goes_with_a_podman_machine_that_somebody_removed(bench: Bench) -> None:
    before = bench.cluster("darwin").up(KIND)
    bench.world()

    assert bench.cluster("darwin").status()["is"] == "gone"
    assert bench.cluster("darwin").up(KIND) != before
    bench.cluster("darwin").down()
    assert bench.is_empty()
