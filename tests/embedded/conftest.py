from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_machines import ADDRESS, POD, TREES

from embedded.agent.linux import Linux


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A machine's folder; what a failed test leaves running in it is ended."""
    yield (root := tmp_path / "machine")
    Linux(root).close()


@pytest.fixture
def machine(root: Path) -> Iterator[Linux]:
    """One with a pod; it fails, and says why, where there can be none."""
    linux = Linux(root, trees=TREES)
    linux.open()
    linux.add_pod(POD, ADDRESS)
    yield linux
    linux.close()


@pytest.fixture
def checker(root: Path) -> Iterator[Linux]:
    """One without pods: loopback needs none."""
    linux = Linux(root)
    yield linux
    linux.close()
