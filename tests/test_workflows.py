"""Workflows: what they run is pinned, what they may do is little, and every stack is previewed."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
USES = re.compile(r"^\s*(?:- )?uses:\s*(.+)$", re.MULTILINE)
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")

every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def load(path: Path) -> dict[Any, Any]:
    return yaml.safe_load(path.read_text())


def triggers(workflow: dict[Any, Any]) -> set[str]:
    return set(workflow[True])  # YAML 1.1 reads `on` as yes


def named(name: str) -> dict[Any, Any]:
    return load(ROOT / ".github" / "workflows" / f"{name}.yml")


def steps(workflow: dict[Any, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def test_there_are_workflows() -> None:
    assert [path.stem for path in WORKFLOWS] == ["checks", "comment", "preview"]


@every_workflow
def test_every_action_is_pinned_to_a_commit_and_says_its_version(path: Path) -> None:
    used = USES.findall(path.read_text())

    assert len(used) == sum("uses" in step for step in steps(load(path)))
    assert [one for one in used if not PINNED.fullmatch(one)] == []


def test_an_action_has_one_version_in_all_workflows() -> None:
    used = {one for path in WORKFLOWS for one in USES.findall(path.read_text())}

    assert len(used) == len({one.partition("@")[0] for one in used})


@every_workflow
def test_no_workflow_gives_a_pull_request_the_rights_of_this_repository(path: Path) -> None:
    assert "pull_request_target" not in triggers(load(path))


@every_workflow
def test_every_workflow_may_only_read_unless_a_job_says_more(path: Path) -> None:
    assert load(path)["permissions"] == {"contents": "read"}


@every_workflow
def test_only_the_job_that_comments_may_write(path: Path) -> None:
    for name, job in load(path)["jobs"].items():
        writes = {key for key, value in job.get("permissions", {}).items() if value == "write"}

        assert writes == ({"pull-requests"} if name == "comment" else set())


@every_workflow
def test_no_workflow_that_a_pull_request_starts_reads_a_secret(path: Path) -> None:
    assert "secrets." not in path.read_text()


@every_workflow
def test_every_job_ends(path: Path) -> None:
    assert all(job["timeout-minutes"] <= 90 for job in load(path)["jobs"].values())


@every_workflow
def test_a_newer_commit_does_not_race_with_an_older_one(path: Path) -> None:
    assert "${{" in load(path)["concurrency"]["group"]


@every_workflow
def test_no_checkout_leaves_the_token_for_the_code_that_it_checks_out(path: Path) -> None:
    for step in steps(load(path)):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@every_workflow
def test_nothing_that_someone_else_names_becomes_part_of_a_command(path: Path) -> None:
    """A stack's or a branch's name may hold `$(...)`: it travels in the environment."""
    for step in steps(load(path)):
        assert "${{" not in step.get("run", "")


def test_every_stack_file_is_previewed_without_being_named() -> None:
    jobs = named("preview")["jobs"]

    assert jobs["preview"]["strategy"]["matrix"] == {
        "stack": "${{ fromJSON(needs.stacks.outputs.stacks) }}"
    }
    assert jobs["stacks"]["outputs"] == {"stacks": "${{ steps.list.outputs.stacks }}"}
    [listing] = [step for step in jobs["stacks"]["steps"] if step.get("id") == "list"]
    assert listing["run"] == 'python3 .github/scripts/stacks.py >> "$GITHUB_OUTPUT"'


def test_a_preview_has_no_cluster_and_no_secret() -> None:
    [previewing] = [step for step in steps(named("preview")) if "preview.py" in step.get("run", "")]

    assert previewing["env"]["KUBECONFIG"] == "/dev/null"
    assert previewing["env"]["PULUMI_CONFIG_PASSPHRASE"] == ""


def test_the_job_that_may_write_runs_the_main_branch_alone() -> None:
    workflow = named("comment")
    checkout, download, _ = steps(workflow)

    assert triggers(workflow) == {"workflow_run"}
    assert checkout["with"]["ref"] == "${{ github.event.repository.default_branch }}"
    # Into the checkout, it could take the place of a script.
    assert download["with"]["path"].startswith("${{ runner.temp }}/")


def test_a_comment_follows_the_workflow_that_previews() -> None:
    assert named("comment")[True]["workflow_run"]["workflows"] == [named("preview")["name"]]


def test_ci_runs_what_a_developer_runs() -> None:
    runs = [step["run"] for step in steps(named("checks")) if "run" in step]
    check, install, test = runs

    assert (check, test) == ("make check", "make test")
    # What images are built with, so that no test of it is skipped.
    assert install.split()[-1] == "podman"
    assert named("checks")["jobs"]["test"]["env"]["LLMD_TEST_IMAGES"] == "required"


def test_ci_checks_the_oldest_python_that_is_promised() -> None:
    oldest = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())

    assert oldest
    assert oldest[1] in named("checks")["jobs"]["check"]["strategy"]["matrix"]["python"]
