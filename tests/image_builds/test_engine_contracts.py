"""What git, podman and docker are told, word for word, by a recorder in their place: about 20 s."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from image_builds.machine import Machine, asked

from builder import engines
from builder.asked import Image
from builder.running import Runner
from tools.progress import Progress

pytestmark = pytest.mark.slow

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "localhost/llm-d-endpoint-picker:v1-arm64-abc"
QUAY = "registry.invalid/me/picker"
GIT = [
    *("git", "-c", "core.autocrlf=false", "-c", "core.hooksPath=/dev/null"),
    *("-c", "protocol.ext.allow=never"),
]
LABEL = f"org.opencontainers.image.revision={COMMIT}"
DIGEST = "sha256:" + "d" * 64


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    (tmp_path / "commit").write_text(COMMIT)
    return made


def loaded(machine: Machine, **changes: Any) -> dict[str, Any]:
    (machine.home / "bin" / "kind").symlink_to(machine.home / "bin" / "podman")
    return asked(COMMIT, loads=["kind", "load", "image-archive", "--name", "x"], **changes)


def shelf(machine: Machine, image: dict[str, Any]) -> Path:
    key = re.sub("[/:]", "_", image["name"])
    return machine.home / "cache" / "llm-d-pulumi" / "images" / key / "work"


def told(machine: Machine, *programs: str) -> list[list[str]]:
    """What these were told beyond what only looks."""
    looks = {"images", "info", "inspect", "ps", "rev-parse", "version"}
    return [one for one in machine.calls if one[0] in programs and not looks & {*one[:3]}]


def test_git_fetches_one_commit_and_nobody_is_asked_for_a_password(machine: Machine) -> None:
    image = loaded(machine)
    machine.run("build", image)

    source = str(shelf(machine, image) / "source")
    fetch = ["fetch", "--depth=1", "--no-tags", "--", "https://example.com/picker", "refs/tags/v1"]
    assert [one for one in machine.calls if one[0] == "git"] == [
        [*GIT, "init", "--quiet", "--template=", source],
        [*GIT, "-C", source, *fetch],
        [*GIT, "-C", source, "rev-parse", "--verify", "FETCH_HEAD^{commit}"],
        [*GIT, "-C", source, "checkout", "--quiet", "--force", "--detach", COMMIT],
    ]
    assert machine.seen("fetch") == {"GIT_TERMINAL_PROMPT": "0"}


def test_a_commit_without_a_tag_is_fetched_by_itself(machine: Machine) -> None:
    machine.run("build", loaded(machine, tag=None))

    [fetch] = [one for one in machine.calls if "fetch" in one]
    assert fetch[-2:] == ["https://example.com/picker", COMMIT]


BUILDS = {
    "podman": ["podman", "build", "--layers=false", "--force-rm"],
    "docker": ["docker", "build", "--force-rm"],
    "buildx": [
        *("docker", "buildx", "build"),
        *("--load", "--progress=plain", "--provenance=false"),
    ],
}


@pytest.mark.parametrize("engine", BUILDS)
def test_an_image_is_built_put_on_nodes_and_removed(engine: str, machine: Machine) -> None:
    image = loaded(machine, engine=engine, args={"max_jobs": "4"}, target="runtime")
    for action in ("build", "load", "remove"):
        machine.run(action, image)

    program = "podman" if engine == "podman" else "docker"
    folder = shelf(machine, image)
    source, archive = folder / "source", folder / "image.tar"
    kind = ["--format", "docker-archive"] if engine == "podman" else []
    assert told(machine, program, "kind") == [
        [
            *BUILDS[engine],
            *("--platform", "linux/arm64", "--tag", NAME, "--label", LABEL),
            *("--build-arg", "max_jobs=4", "--target", "runtime"),
            *("--file", str(source / "Dockerfile"), str(source)),
        ],
        [program, "save", *kind, "--output", str(archive), NAME],
        ["kind", "load", "image-archive", "--name", "x", str(archive)],
        [program, "image", "rm", NAME],
    ]
    assert machine.kept == []


PUSHES = {
    "podman": [["podman", "push", "--digestfile", "FOLDER/digest", "PART"]],
    "docker": [["docker", "push", "PART"]],
    "buildx": [["docker", "push", "PART"]],
}


@pytest.mark.parametrize("engine", PUSHES)
def test_an_image_is_pushed_and_known_by_its_digest(engine: str, machine: Machine) -> None:
    image = asked(COMMIT, folder=QUAY, engine=engine)
    said, _ = machine.run("build", image)

    words = {"PART": image["name"], "FOLDER/digest": f"{shelf(machine, image)}/digest"}
    expected = [[words.get(word, word) for word in one] for one in PUSHES[engine]]
    assert said == {"image": f"{QUAY}@{DIGEST}", "digest": DIGEST}
    assert [one for one in told(machine, "podman", "docker") if "push" in one] == expected


def test_podman_makes_one_image_of_two_platforms(machine: Machine) -> None:
    image = asked(COMMIT, arches=("amd64", "arm64"), folder=QUAY, engine="podman")
    machine.run("build", image)

    name, file = image["name"], f"{shelf(machine, image)}/digest"
    part = f"docker://{QUAY}@{DIGEST}"
    assert [one for one in machine.calls if one[1] == "manifest"] == [
        ["podman", "manifest", "rm", name],
        ["podman", "manifest", "create", name],
        ["podman", "manifest", "add", name, part],
        ["podman", "manifest", "add", name, part],
        ["podman", "manifest", "push", "--all", "--digestfile", file, name, f"docker://{name}"],
        ["podman", "manifest", "rm", name],
    ]


def test_buildx_makes_one_image_of_two_platforms(machine: Machine) -> None:
    image = asked(COMMIT, arches=("amd64", "arm64"), folder=QUAY, engine="buildx")
    said, _ = machine.run("build", image)

    part = f"{QUAY}@{DIGEST}"
    assert [one for one in machine.calls if "imagetools" in one] == [
        ["docker", "buildx", "imagetools", "create", "--tag", image["name"], part, part],
        [
            *("docker", "buildx", "imagetools", "inspect"),
            *("--format", "{{json .Manifest}}", image["name"]),
        ],
    ]
    assert said["digest"] == "sha256:" + "e" * 64


def test_the_first_engine_that_answers_is_taken(machine: Machine) -> None:
    machine.says("info", code=1)

    machine.run("build", loaded(machine))

    [built] = [one for one in machine.calls if "--tag" in one]
    assert built[:3] == ["docker", "buildx", "build"]


def test_an_engine_that_does_not_answer_is_told_with_the_way_out(machine: Machine) -> None:
    machine.says("info", code=1)
    machine.says("version", code=1)

    _, said = machine.run("build", loaded(machine), fails=True)

    assert "podman and docker are installed and do not answer" in said
    assert "podman machine start" in said
    assert machine.kept == []


def test_a_password_is_in_a_file_for_as_long_as_images_are_pushed(machine: Machine) -> None:
    (machine.home / ".docker" / "cli-plugins").mkdir(parents=True)
    (machine.home / ".docker" / "config.json").write_text('{"credsStore": "desktop"}')
    machine.env["LLMD_REGISTRY_PASSWORD"] = "hunter2"  # noqa: S105
    image = asked(COMMIT, folder=QUAY, username="me", engine="docker")

    _, said = machine.run("build", image)

    folder = shelf(machine, image) / "login"
    assert machine.seen("push") == {
        "DOCKER_CONFIG": str(folder),
        "REGISTRY_AUTH_FILE": str(folder / "config.json"),
    }
    assert machine.seen("--tag") == {}, "what is pulled for a build is pulled as the user"
    assert "hunter2" not in f"{said}{machine.calls}"
    assert not folder.exists()


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("fetch", "`git -c` failed (7)"),
        ("checkout", "`git -c` failed (7)"),
        ("build", "`podman build` failed (7)"),
        ("save", "`podman save` failed (7)"),
        ("load", "`kind load` failed (7)"),
    ],
)
def test_what_fails_is_told_in_its_own_words_and_the_next_run_goes_on(
    word: str, why: str, machine: Machine
) -> None:
    image = loaded(machine)
    machine.says(word, code=7, text="no such thing")

    _, said = machine.run("load", image, fails=True)
    machine.heals()
    machine.run("load", image)
    machine.run("remove", image)

    assert why in said
    assert "  | no such thing" in said
    assert "Traceback" not in said
    assert machine.kept == []


def test_a_build_that_takes_too_long_is_ended_and_its_containers_go(machine: Machine) -> None:
    image = loaded(machine, seconds=1)
    machine.says("build", sleep=30, leaves="c1 buildah storage")
    began = time.monotonic()

    _, said = machine.run("build", image, fails=True)

    assert "no answer within 1 s" in said
    assert time.monotonic() - began < 20
    assert ["podman", "rm", "--force", "c1"] in machine.calls


@pytest.mark.parametrize("word", ["fetch", "checkout", "build", "save", "load"])
def test_a_run_that_is_killed_in_any_phase_is_finished_by_the_next(
    word: str, machine: Machine
) -> None:
    image = loaded(machine)
    machine.says(word, sleep=3)
    running = machine.start("load", image)
    eventually(machine, word)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    machine.heals()

    machine.run("load", image)
    built = [one for one in machine.calls if "--tag" in one]
    machine.run("remove", image)

    # What was building goes on without us, and is waited for.
    assert len(built) == 1
    assert machine.kept == []


def test_a_run_that_is_killed_while_it_pushes_pushes_again(machine: Machine) -> None:
    image = asked(COMMIT, folder=QUAY, username="me")
    machine.env["LLMD_REGISTRY_PASSWORD"] = "hunter2"  # noqa: S105
    machine.says("push", sleep=3)
    running = machine.start("build", image)
    eventually(machine, "push")
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    machine.heals()

    said, _ = machine.run("build", image)
    machine.run("remove", image)

    assert said["digest"] == DIGEST
    assert len([one for one in machine.calls if "--tag" in one]) == 1
    assert machine.kept == []


def test_containers_that_nobody_can_list_are_left_alone(machine: Machine) -> None:
    image = loaded(machine, seconds=1)
    machine.says("ps", code=1)
    machine.says("build", sleep=30, leaves="c1 buildah storage")

    machine.run("build", image, fails=True)

    assert not [one for one in machine.calls if one[:2] == ["podman", "rm"]]


def test_a_stack_that_was_killed_before_pulumi_knew_of_its_image_is_swept(
    machine: Machine,
) -> None:
    image = loaded(machine)
    machine.run("build", image)
    machine.run("sweep", "other")
    with_others = machine.kept

    machine.run("sweep", "test")

    assert with_others
    assert machine.kept == []
    assert [*(machine.home / "images").iterdir()] == []


def test_an_end_that_is_asked_for_ends_what_is_running(machine: Machine) -> None:
    image = loaded(machine)
    machine.says("build", sleep=60)
    running = machine.start("build", image)
    eventually(machine, "build")
    began = time.monotonic()

    running.terminate()
    running.communicate(timeout=30)

    assert running.returncode == 128 + signal.SIGTERM
    assert time.monotonic() - began < 15


def eventually(machine: Machine, word: str) -> None:
    """Wait until this is being done."""
    until = time.monotonic() + 20
    while not any(word in call for call in machine.calls):
        assert time.monotonic() < until, machine.calls
        time.sleep(0.02)
    time.sleep(0.3)


@dataclass(frozen=True)
class Said(Runner):
    """Starts nothing."""

    words: list[str] = field(default_factory=list[str])

    def stream(self, command: Sequence[str | Path], **_how: Any) -> None:
        self.words.extend(map(str, command))


HOSTILE = st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(value=HOSTILE, key=st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]*\Z"))
def test_a_build_argument_is_one_word_whatever_is_in_it(value: str, key: str) -> None:
    image = Image.read(json.dumps(asked(COMMIT, args={key: value})))
    runner = Said("test", Progress(sys.stderr))

    engines.Podman(runner).build(image, image.parts[0], Path("source"))

    words = runner.words
    assert words[words.index("--build-arg") + 1] == f"{key}={value}"
    assert len(words) == 15


def test_no_shell_reads_anything() -> None:
    for path in Path(engines.__file__).parent.glob("*.py"):
        text = path.read_text()
        assert "shell=True" not in text
        assert "os.system" not in text


def test_the_builder_needs_no_virtual_environment() -> None:
    subprocess.run(
        [sys.executable, "-S", "-c", "import builder.__main__"],
        cwd=Path(engines.__file__).parents[1],
        check=True,
    )
