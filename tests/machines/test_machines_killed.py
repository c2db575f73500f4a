"""A run that is killed at any moment: the next `up` finishes, `down` removes. 2 s each."""

import time
from pathlib import Path

import pytest
from bench_of_tools import KIND, MINIKUBE, Bench, is_alive

from machines.settings import Settings

pytestmark = pytest.mark.slow

MAKING = [
    (MINIKUBE, "linux", "minikube start before"),
    (MINIKUBE, "linux", "minikube start during"),
    (MINIKUBE, "linux", "minikube start after"),
    (KIND, "linux", "kind create cluster before"),
    (KIND, "linux", "kind create cluster during"),
    (KIND, "linux", "kind create cluster after"),
    (KIND, "darwin", "podman machine init before"),
    (KIND, "darwin", "podman machine init after"),
    (KIND, "darwin", "podman machine start before"),
]
REMOVING = [
    (MINIKUBE, "linux", "minikube delete before"),
    (MINIKUBE, "linux", "minikube delete after"),
    (KIND, "darwin", "kind delete cluster before"),
    (KIND, "darwin", "kind delete cluster after"),
]


def phase(value: object) -> str:
    return value.kind if isinstance(value, Settings) else str(value)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench.create(tmp_path, monkeypatch)


@pytest.mark.parametrize(("settings", "platform", "at"), MAKING, ids=phase)
def test_the_next_run_makes_what_was_left_and_down_leaves_nothing(
    settings: Settings, platform: str, at: str, bench: Bench
) -> None:
    tool = bench.kill(at, platform, "up", settings)

    cluster = bench.cluster(platform)
    assert cluster.status()["is"] == "unfinished"
    identity = cluster.up(settings)
    assert not is_alive(tool), "a tool does not outlive the run that asked for it"
    assert identity == bench.there()[settings.kind]["llm-d-cpu"]["uid"]
    cluster.down()
    assert bench.is_empty()
    assert not bench.root.exists()


@pytest.mark.parametrize(("settings", "platform", "at"), MAKING, ids=phase)
def test_down_removes_what_was_left(
    settings: Settings, platform: str, at: str, bench: Bench
) -> None:
    bench.kill(at, platform, "up", settings)

    bench.cluster(platform).down()

    assert bench.is_empty()
    assert not bench.root.exists()


@pytest.mark.parametrize(("settings", "platform", "at"), REMOVING, ids=phase)
def test_a_removal_that_was_cut_short_is_finished(
    settings: Settings, platform: str, at: str, bench: Bench
) -> None:
    bench.cluster(platform).up(settings)
    bench.kill(at, platform, "down")

    bench.cluster(platform).down()

    assert bench.is_empty()
    assert not bench.root.exists()


def test_a_tool_is_ended_as_soon_as_the_run_that_asked_for_it(bench: Bench) -> None:
    tool = bench.kill("minikube start during", "linux", "up", MINIKUBE)

    deadline = time.monotonic() + 20
    while is_alive(tool):
        assert time.monotonic() < deadline
        time.sleep(0.05)
