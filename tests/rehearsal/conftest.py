from collections.abc import Iterator
from pathlib import Path

import pytest
from recording import ROOT
from staged import Rehearse, on

import tools
from embedded.cluster import Cluster
from rehearsal.rehearse import SIMULATED


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane; each rehearsal gives it the nodes that it needs."""
    root = tmp_path_factory.mktemp("stage") / "cluster"
    cluster = Cluster(root=root, tools=tools.resolve, simulate=SIMULATED)
    cluster.up([])
    yield cluster
    cluster.down()


@pytest.fixture
def rehearse(
    stage: Cluster,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Rehearse:
    monkeypatch.chdir(ROOT)
    return on(stage, tmp_path, capsys)
