import asyncio
from collections.abc import Iterator

import hypothesis
import pytest
from recording import ROOT, Deploy, run

# 2 busy cores: a slow example is not a defect, and the same ones have to fail everywhere.
hypothesis.settings.register_profile("project", deadline=None, derandomize=True, print_blob=False)
hypothesis.settings.load_profile("project")


@pytest.fixture(scope="session", autouse=True)
def _event_loop() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Pulumi's mocks run on the current loop and do not make one."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """`run`, on a machine without any kubeconfig."""
    monkeypatch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")
    monkeypatch.chdir(ROOT)
    return run
