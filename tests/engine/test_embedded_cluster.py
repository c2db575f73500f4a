"""The control plane itself: made, stopped, started and removed, twice and after a crash."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import embedded.cluster
import tools
from embedded.cluster import AGENT, COMPONENTS, Cluster, ClusterError, Node

pytestmark = pytest.mark.engine

NODES = [Node(name=f"node-{at}", allocatable={"cpu": "4"}, labels={}) for at in range(2)]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(root=tmp_path / "cluster", tools=tools.resolve)


def names(cluster: Cluster) -> list[str]:
    done = subprocess.run(  # noqa: S603 - our own words
        [
            *(tools.resolve("kubectl"), f"--kubeconfig={cluster.kubeconfig}"),
            *("get", "nodes", "-o", "name"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_it_lives_through_everything_but_its_removal(cluster: Cluster) -> None:
    identity = cluster.up(NODES)
    assert cluster.up(NODES) == identity, "made once"

    cluster.up(NODES[:1])
    assert names(cluster) == ["node/node-0"], "no other nodes than those asked for"

    cluster.stop()
    assert cluster.running() == {}
    cluster.start()
    assert cluster.up(NODES) == identity, "the data survives a stop"

    os.kill(cluster.running()["kube-apiserver"], signal.SIGKILL)
    assert cluster.up(NODES) == identity, "and a crash"
    assert cluster.running().keys() == {*COMPONENTS, AGENT}

    cluster.down()
    assert cluster.running() == {}
    assert not cluster.root.exists()
    cluster.down()


@pytest.mark.skipif(sys.platform != "linux", reason="reads the kernel's list of sockets in /proc")
def test_it_listens_on_loopback_alone(cluster: Cluster) -> None:
    cluster.up(NODES)
    sockets = {
        path.readlink().name
        for pid in cluster.running().values()
        for path in Path(f"/proc/{pid}/fd").iterdir()
        if path.is_symlink()
    }
    inodes = {name.removeprefix("socket:[").removesuffix("]") for name in sockets}
    listening = [
        fields[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for fields in map(str.split, Path(table).read_text().splitlines()[1:])
        if fields[3] == "0A" and fields[9] in inodes
    ]
    cluster.down()

    assert len(listening) >= len(COMPONENTS)
    # 127.0.0.1, as the kernel writes it.
    assert {address.rsplit(":", 1)[0] for address in listening} == {"0100007F"}


def test_what_a_cut_short_creation_left_is_made_anew(cluster: Cluster) -> None:
    (cluster.root / "kwok" / "clusters" / "llm-d" / "etcd").mkdir(parents=True)
    cluster.kubeconfig.write_text("half")

    cluster.up(NODES)

    assert len(names(cluster)) == len(NODES)
    cluster.down()


def test_a_process_that_got_an_old_number_is_left_alone(cluster: Cluster) -> None:
    """After a reboot the numbers in the files belong to anyone."""
    stranger = subprocess.Popen(["sleep", "60"])  # noqa: S607 - any process will do
    pids = cluster.root / "kwok" / "clusters" / "llm-d" / "pids"
    pids.mkdir(parents=True)
    (pids / "etcd.pid").write_text(str(stranger.pid))

    cluster.down()

    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_port_that_is_taken_after_it_was_chosen_is_another_ones_turn(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any program may be given it in the meantime."""
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        taken = [somebody.getsockname()[1]]

        chosen = embedded.cluster.free_ports

        def free_ports(count: int) -> list[int]:
            found = chosen(count - len(taken))
            return [taken.pop(), *found] if taken else found

        monkeypatch.setattr(embedded.cluster, "free_ports", free_ports)
        cluster.up(NODES)

    assert not taken
    assert cluster.ready()
    cluster.down()


def test_a_component_that_ends_is_named_with_its_reason(tmp_path: Path) -> None:
    broken = tmp_path / "kube-scheduler"
    version = f'[ "$1" = --version ] && exec "{tools.resolve("kube-scheduler")}" --version'
    broken.write_text(f"#!/bin/sh\n{version}\necho no space left on device\nexit 1\n")
    broken.chmod(0o755)
    cluster = Cluster(
        root=tmp_path / "cluster",
        tools=lambda name: broken if name == "kube-scheduler" else tools.resolve(name),
    )

    with pytest.raises(ClusterError, match="kube-scheduler ended: the disk is full"):
        cluster.up(NODES)

    cluster.down()
