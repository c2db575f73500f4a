import asyncio
from collections.abc import Iterator

import hypothesis
import pytest
from recording import ROOT, Deploy, run

import tools
from embedded.cluster import Cluster, Node

# 2 busy cores: a slow example is not a defect, and the same ones have to fail everywhere.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True, print_blob=False)
hypothesis.settings.load_profile("project")


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deploy]:
    """`run`, on a machine without any kubeconfig."""
    monkeypatch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")
    monkeypatch.chdir(ROOT)
    # Pulumi's mocks run on the current loop and do not make one.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield run
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server that no stack owns."""
    cluster = Cluster(root=tmp_path_factory.mktemp("control-plane") / "c", tools=tools.resolve)
    node = Node(name="node-0", allocatable={"cpu": "16", "memory": "64Gi"}, labels={})
    cluster.up([node])
    yield cluster
    cluster.down()
