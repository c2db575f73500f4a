from pathlib import Path

import pytest

from tests.preflight.recorders import Recorders


@pytest.fixture
def recorders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorders:
    """A PATH on which there is nothing but programs that record."""
    made = Recorders(tmp_path / "bin", tmp_path / "calls")
    made.folder.mkdir()
    monkeypatch.setenv("PATH", str(made.folder))
    return made
