import asyncio
import gc
from collections.abc import Generator, Iterator
from typing import Any

import hypothesis
import pytest
from hypothesis.internal.detection import is_hypothesis_test
from recording import ROOT, Deploy, Made, run

import tools
from embedded.cluster import Cluster, Node

# 2 busy cores: a slow example is not a defect, and the same ones have to fail everywhere.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True, print_blob=False)
hypothesis.settings.load_profile("project")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """hypothesis parses sources as it goes, and what is collected while Python 3.11 parses makes
    that fail: AST constructor recursion depth mismatch."""
    if not is_hypothesis_test(getattr(item, "function", None)):
        return (yield)
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


_made: dict[str, list[Made]] = {}


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deploy]:
    """`run`, on a machine without any kubeconfig; what the same words made is not made again."""
    monkeypatch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")
    monkeypatch.chdir(ROOT)
    # Pulumi's mocks run on the current loop and do not make one.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    def once(stack: str, **said: Any) -> list[Made]:
        key = repr((stack, said))
        if key not in _made:
            _made[key] = run(stack, **said)
        return _made[key]

    yield once
    loop.close()
    asyncio.set_event_loop(None)


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server that no stack owns; what stays on it when a stack goes is no other module's."""
    cluster = Cluster(root=tmp_path_factory.mktemp("control-plane") / "c", tools=tools.resolve)
    node = Node(name="node-0", allocatable={"cpu": "16", "memory": "64Gi"}, labels={})
    cluster.up([node])
    yield cluster
    cluster.down()
