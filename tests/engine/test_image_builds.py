"""An image that podman really builds, in a stack on a real API server: about a minute."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from engine.project import NewProject
from image_builds.machine import DOCKERFILE, podman, registry, repository, why_no_podman

from tools.places import here

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(bool(why := why_no_podman()), reason=why),
]

PICKER = "gaie-inference-scheduling-epp"
SHELVES = here().cache / "images"
"""Where the builder keeps what it has of each image."""


def building(source: Path, address: str) -> dict[str, Any]:
    """The block of a stack that builds a picker from a repository of the test's own."""
    commit = repository(source, {"Dockerfile": DOCKERFILE, "file": "hello\n"})
    return {
        "build": ["endpoint-picker", "routing-sidecar"],
        "engine": "podman",
        "platforms": ["linux/arm64"],
        "rebuild": True,
        "registry": {"repository": f"{address}/me"},
        "sources": {
            "endpoint-picker": {"repository": f"file://{source}", "tag": "v1", "commit": commit}
        },
    }


@pytest.fixture(autouse=True)
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a podman of the test's own: a file for each."""
    for key, value in podman(tmp_path / "podman").items():
        monkeypatch.setenv(key, value)
    return tmp_path / "podman" / "images" / "vfs-images"


def test_pods_run_what_was_built_by_its_digest_and_a_second_run_builds_nothing(
    new_project: NewProject, tmp_path: Path, images: Path
) -> None:
    with registry() as kept:
        project = new_project(images=building(tmp_path / "source", kept.address))

        up = project.act("up")
        assert up.code == 0, up.said
        told = project.outputs()["images"]
        found = json.loads(
            project.kubectl(
                "get", "deploy", PICKER, "-n", "llm-d-inference-scheduler", "-o", "json"
            )
        )["spec"]["template"]
        [digest] = json.loads(found["metadata"]["annotations"]["llm-d.ai/image-digests"]).values()
        repository_, _, tag = told["endpoint-picker"].rpartition(":")
        again = project.pulumi("up", "--yes", "--skip-preview")
        down = project.act("down")

    assert found["spec"]["containers"][0]["image"] == f"{repository_}@{digest}"
    assert {f"me/llm-d-endpoint-picker:{ref}" for ref in (digest, tag)} <= kept.manifests.keys()
    assert told["routing-sidecar"].startswith("not built: ")
    assert (again.code, again.touched) == (0, {}), again.said
    assert down.code == 0, down.said
    assert not [*images.glob("*/manifest")]


def test_an_up_that_is_killed_while_it_builds_is_taken_down_with_all_that_it_built(
    new_project: NewProject, tmp_path: Path, images: Path
) -> None:
    with registry() as kept:
        project = new_project(images=building(tmp_path / "source", kept.address))
        mine = f"{kept.address.replace(':', '_')}_me_*/users/*"
        running = project.start("up")
        until = time.monotonic() + 100
        while not [*SHELVES.glob(mine)]:
            assert time.monotonic() < until
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGKILL)
        project.finish(running)

        down = project.act("down")

    assert down.code == 0, down.said
    assert not [*SHELVES.glob(mine)]
    assert not [*images.glob("*/manifest")]
    assert project.processes() == []
