from collections.abc import Iterator
from pathlib import Path

import pytest
from machines import ADDRESS, POD, TREES

from embedded.agent.linux import Linux


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "machine"


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
