"""Images that podman really builds, from repositories of a test's own: about 20 s."""

import json
import os
import signal
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from image_builds.machine import (
    DOCKERFILE,
    Machine,
    asked,
    environment,
    podman,
    registry,
    repository,
    why_no_podman,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(why := why_no_podman()), reason=why),
]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, programs=(), env=environment() | podman(tmp_path / "podman"))


@pytest.fixture
def source(tmp_path: Path) -> dict[str, Any]:
    """Where an image comes from."""
    commit = repository(tmp_path / "source", {"Dockerfile": DOCKERFILE, "file": "hello\n"})
    return {"commit": commit, "repository": f"file://{tmp_path / 'source'}"}


def images(machine: Machine) -> list[str]:
    """All of them, those that no name leads to too, and containers."""
    said = [
        subprocess.run(  # noqa: S603 - our own words
            ["podman", *words],  # noqa: S607 - wherever it is
            env=machine.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for words in (("images", "--all", "--quiet"), ("ps", "--all", "--external", "--quiet"))
    ]
    return [one for listed in said for one in listed]


def inspected(machine: Machine, name: str) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - our own words
        ["podman", "image", "inspect", name],  # noqa: S607 - wherever it is
        env=machine.environment,
        capture_output=True,
        check=True,
    )
    return json.loads(done.stdout)[0]


def test_an_arm64_image_is_built_patched_and_put_on_nodes_and_nothing_of_it_stays(
    machine: Machine, source: dict[str, Any], tmp_path: Path
) -> None:
    image = asked(**source, loads=["cp", "--target-directory", str(tmp_path)])

    said, _ = machine.run("build", image)
    found = inspected(machine, image["name"])

    assert found["Architecture"] == "arm64"
    assert "GOARCH=arm64" in found["Config"]["Env"]
    assert found["Labels"]["org.opencontainers.image.revision"] == source["commit"]
    assert said == {"image": image["name"], "digest": f"sha256:{found['Id']}"}
    assert machine.run("load", image)[0] == said
    with tarfile.open(tmp_path / "image.tar") as archive:
        file = archive.extractfile("manifest.json")
        assert file
        [listed] = json.load(file)
    assert listed["RepoTags"] == [image["name"]]

    machine.run("remove", image)

    assert images(machine) == []
    assert machine.kept == []


def test_a_second_run_builds_nothing(machine: Machine, source: dict[str, Any]) -> None:
    image = asked(**source)
    image["loads"] = ["true"]
    first, _ = machine.run("build", image)

    second, told = machine.run("build", image)

    assert second == first
    assert "is there" in told
    assert "STEP" not in told


def test_an_image_that_another_stack_needs_stays(machine: Machine, source: dict[str, Any]) -> None:
    mine = asked(**source, loads=["true"])
    theirs = mine | {"stack": "other"}
    for one in (mine, theirs):
        machine.run("build", one)

    machine.run("remove", mine)
    with_one = images(machine)
    machine.run("remove", theirs)

    assert len(with_one) == 1
    assert images(machine) == []


def test_what_is_pushed_is_known_by_its_digest_to_everyone(
    machine: Machine, source: dict[str, Any]
) -> None:
    with registry() as kept:
        image = asked(**source, folder=f"{kept.address}/me/picker")

        said, _ = machine.run("build", image)
        machine.run("remove", image)
        again, told = machine.run("build", image)

        assert said["image"] == f"{kept.address}/me/picker@{said['digest']}"
        assert f"me/picker:{said['digest']}" in kept.manifests
        assert again == said
        assert "STEP" not in told
    assert images(machine) == []


def test_an_image_for_two_platforms_has_a_part_for_each(
    machine: Machine, source: dict[str, Any]
) -> None:
    with registry() as kept:
        image = asked(**source, arches=("amd64", "arm64"), folder=f"{kept.address}/me/picker")

        machine.run("build", image)
        listed = kept.manifest(image["name"])["manifests"]
        machine.run("remove", image)

    assert [one["platform"]["architecture"] for one in listed] == ["amd64", "arm64"]
    assert images(machine) == []


def test_a_password_is_the_registrys_alone(machine: Machine, source: dict[str, Any]) -> None:
    with registry(password="hunter2") as kept:  # noqa: S106
        image = asked(**source, folder=f"{kept.address}/me/picker", username="me")
        _, unknown = machine.run("build", image, fails=True)
        machine.env["LLMD_REGISTRY_PASSWORD"] = "hunter3"  # noqa: S105
        _, refused = machine.run("build", image, fails=True)
        machine.env["LLMD_REGISTRY_PASSWORD"] = "hunter2"  # noqa: S105

        said, told = machine.run("build", image)

    assert "`podman push` failed" in unknown
    assert "it does not take the password of `me`" in refused
    assert "STEP" not in refused
    assert said["digest"]
    assert "hunter2" not in told
    assert [one for one in machine.kept if "work" in one or "login" in one] == []


def test_a_tag_that_was_moved_is_refused(
    machine: Machine, source: dict[str, Any], tmp_path: Path
) -> None:
    moved = repository(tmp_path / "source", {"file": "changed\n"})

    _, told = machine.run("build", asked(**source, loads=["true"]), fails=True)

    assert f"v1 is commit {moved}, expected {source['commit']}" in told
    assert images(machine) == []


@pytest.mark.parametrize("lines", ["", "ENV GOARCH=amd64\nENV GOARCH=amd64\n"])
def test_a_patch_that_does_not_fit_is_refused(lines: str, machine: Machine, tmp_path: Path) -> None:
    text = f"FROM scratch\n{lines}COPY Dockerfile /\n"
    commit = repository(tmp_path / "other", {"Dockerfile": text})

    image = asked(commit, repository=f"file://{tmp_path / 'other'}", loads=["true"])
    _, told = machine.run("build", image, fails=True)

    assert f"is {text.count('ENV')} times in Dockerfile" in told
    assert images(machine) == []


@pytest.mark.parametrize("seconds", [0.4, 0.8, 1.3])
def test_a_run_that_is_killed_is_finished_by_the_next(
    seconds: float, machine: Machine, source: dict[str, Any]
) -> None:
    image = asked(**source, loads=["true"])
    running = machine.start("build", image)
    try:
        running.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()

    said, _ = machine.run("build", image)
    machine.run("remove", image)

    assert said["image"] == image["name"]
    assert images(machine) == []
    assert machine.kept == []
