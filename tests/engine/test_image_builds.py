"""An image that podman really builds, in a stack on a real API server: about a minute."""

import json
from pathlib import Path

import pytest
from engine.project import NewProject
from image_builds.machine import DOCKERFILE, podman, registry, repository, why_no_podman

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(bool(why := why_no_podman()), reason=why),
]

PICKER = "gaie-inference-scheduling-epp"


def test_pods_run_what_was_built_by_its_digest_and_a_second_run_builds_nothing(
    new_project: NewProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in podman(tmp_path / "podman").items():
        monkeypatch.setenv(key, value)
    commit = repository(tmp_path / "source", {"Dockerfile": DOCKERFILE, "file": "hello\n"})
    with registry() as kept:
        project = new_project(
            images={
                "build": ["endpoint-picker", "routing-sidecar"],
                "engine": "podman",
                "platforms": ["linux/arm64"],
                "rebuild": True,
                "registry": {"repository": f"{kept.address}/me"},
                "sources": {
                    "endpoint-picker": {
                        "repository": f"file://{tmp_path / 'source'}",
                        "tag": "v1",
                        "commit": commit,
                    }
                },
            }
        )

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
    assert not [*(tmp_path / "podman" / "images" / "vfs-images").glob("*/manifest")]
