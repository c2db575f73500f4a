from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine.project import EMBEDDED, NewProject, Project


@pytest.fixture
def new_project(tmp_path: Path) -> Iterator[NewProject]:
    """Makes projects, and takes down at the end whatever of them still stands."""
    made: list[Project] = []

    def create(stack: str = "embedded", **changes: Any) -> Project:
        made.append(Project.create(tmp_path / f"project-{len(made)}", stack, EMBEDDED | changes))
        return made[-1]

    yield create
    for project in reversed(made):
        if project.cluster.exists():
            project.act("down")
