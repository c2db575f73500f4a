"""The scripts that workflows run, on made-up previews and a made-up GitHub."""

import importlib.util
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def script(name: str) -> ModuleType:
    found = importlib.util.spec_from_file_location(
        f"workflow_{name}", ROOT / ".github" / "scripts" / f"{name}.py"
    )
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module  # dataclasses look their module up
    found.loader.exec_module(module)
    return module


comment, post, preview, stacks = map(script, ("comment", "post", "preview", "stacks"))

STACK = "urn:pulumi:cpu::llm-d::pulumi:pulumi:Stack::llm-d-cpu"
POOL = "urn:pulumi:cpu::llm-d::llm-d:components:InferencePool::pool"
ROLE = "urn:pulumi:cpu::llm-d::llm-d:components:InferencePool$kubernetes:rbac/v1:Role::pool-role"


def digest(stack: object = "cpu", **changed: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "stack": stack,
        "code": 0,
        "steps": [
            {"op": "create", "urn": ROLE, "parent": POOL},
            {"op": "create", "urn": STACK, "parent": ""},
            {"op": "same", "urn": POOL, "parent": STACK},
        ],
        "messages": [],
    }
    return said | changed


def rendered(tmp_path: Path, *digests: Any, limit: int = 60_000) -> str:
    for index, one in enumerate(digests):
        folder = tmp_path / f"preview-{index}"
        folder.mkdir()
        (folder / "preview.json").write_text(one if isinstance(one, str) else json.dumps(one))
    return comment.comment(comment.read(tmp_path), limit)


# -- stacks.py


def test_every_stack_file_of_this_repository_is_listed() -> None:
    files = {f"Pulumi.{stack}.yaml" for stack in stacks.stacks(ROOT)}

    assert files
    assert files == {path.name for path in ROOT.glob("Pulumi.*.yaml")}


def test_a_stack_is_listed_by_its_whole_name(tmp_path: Path) -> None:
    for name in ("Pulumi.yaml", "Pulumi.b.yaml", "Pulumi.a.v2.yaml"):
        (tmp_path / name).touch()

    assert stacks.stacks(tmp_path) == ["a.v2", "b"]


# -- preview.py


def test_a_digest_holds_no_inputs_where_secrets_would_be() -> None:
    step = {"op": "create", "urn": ROLE, "newState": {"parent": POOL, "inputs": {"token": "hf_x"}}}

    found = preview.digest("cpu", 0, json.dumps({"steps": [step]}), "")

    assert found["steps"] == [{"op": "create", "urn": ROLE, "parent": POOL}]
    assert "hf_x" not in json.dumps(found)


def test_a_digest_of_a_deletion_knows_the_parent_from_before() -> None:
    step = {"op": "delete", "urn": ROLE, "oldState": {"parent": POOL}}

    [found] = preview.digest("cpu", 0, json.dumps({"steps": [step]}), "")["steps"]

    assert found["parent"] == POOL


def test_a_digest_of_a_failure_says_why_and_leaves_warnings_out() -> None:
    said = {
        "diagnostics": [
            {"severity": "warning", "message": "from $PATH"},
            {"severity": "error", "message": "`hardware` is `cuba`\n"},
        ]
    }

    found = preview.digest("cpu", 1, json.dumps(said), "")

    assert found["code"] == 1
    assert found["messages"] == ["`hardware` is `cuba`"]


def test_what_pulumi_complains_of_instead_of_a_preview_is_kept() -> None:
    assert preview.digest("cpu", 255, "", "error: no passphrase")["messages"] == [
        "error: no passphrase"
    ]


# -- comment.py


def test_a_comment_counts_what_happens_to_each_stack(tmp_path: Path) -> None:
    text = rendered(tmp_path, digest("gpu"), digest("cpu"))

    assert text.startswith(comment.MARKER)
    assert text.index("| `cpu` | 2 |  |  |  | 1 |  |") < text.index("| `gpu` | 2 |")


def test_a_comment_lists_each_resource_below_its_parent(tmp_path: Path) -> None:
    text = rendered(tmp_path, digest())

    assert (
        "+  pulumi:pulumi:Stack  llm-d-cpu\n"
        "     llm-d:components:InferencePool  pool\n"
        "    +  kubernetes:rbac/v1:Role  pool-role\n"
    ) in text


def test_a_stack_that_failed_is_open_and_says_why(tmp_path: Path) -> None:
    text = rendered(tmp_path, digest(code=1, messages=["`hardware` is `cuba`"]))

    assert "**failed**" in text
    assert "<details open>" in text
    assert "`hardware` is `cuba`" in text


def test_a_comment_stays_below_githubs_limit_and_counts_what_it_leaves_out(tmp_path: Path) -> None:
    many = [
        {"op": "create", "urn": f"{STACK}-{'é' * 50}-{index}", "parent": ""}
        for index in range(3000)
    ]

    text = rendered(tmp_path, digest("a", steps=many), digest("b", steps=many), digest("c"))

    assert len(text.encode()) <= comment.LIMIT < 65_536
    assert text.count("lines more") == 2
    assert "pool-role" in text, "a small stack is listed whole beside large ones"
    assert text.count("<details>") == text.count("</details>") == 3


@pytest.mark.parametrize("limit", range(0, 1200, 50))
def test_a_comment_under_any_limit_is_whole_markdown(limit: int, tmp_path: Path) -> None:
    text = rendered(tmp_path, digest("a"), digest("b"), limit=limit)

    assert text.count("<details") == text.count("</details>")
    assert text.count("```") % 2 == 0


def test_nothing_of_a_preview_is_read_as_markdown(tmp_path: Path) -> None:
    text = rendered(tmp_path, digest(messages=["````\n@everyone <img src=x>"]))

    fence = "`" * 5
    assert text.count(fence) == 2
    assert text.index(fence) < text.index("@everyone") < text.rindex(fence)


@pytest.mark.parametrize(
    "stranger",
    [
        "no JSON",
        "[]",
        "[" * 100_000,
        "{}",
        json.dumps(digest("`x` [click](https://example.org)")),
        json.dumps(digest("a\nb")),
        json.dumps(digest(steps=["x"])),
        json.dumps(digest(steps=None)),
        json.dumps(digest(1)),
    ],
)
def test_what_does_not_look_like_a_preview_is_left_out(stranger: str, tmp_path: Path) -> None:
    text = rendered(tmp_path, stranger, digest("good"))

    assert [line.split()[1] for line in text.splitlines() if line.startswith("| `")] == ["`good`"]


def test_a_run_without_any_preview_says_so(tmp_path: Path) -> None:
    assert "No stack could be previewed" in rendered(tmp_path)


# -- post.py

RUN = {
    "head_sha": "abc",
    "head_branch": "a&b=c",
    "head_repository": {"owner": {"login": "someone"}},
}
PULLS = "/pulls?state=open&head=someone%3Aa%26b%3Dc"
TEXT = "<!-- marker -->\nnew"


class GitHub:
    """Answers from a table, and keeps what was written."""

    def __init__(self, comments: list[dict[str, Any]], sha: str = "abc") -> None:
        self.comments = comments
        self.pulls = [{"number": 7, "head": {"sha": sha}}]
        self.wrote: list[tuple[str, str]] = []

    def __call__(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        if method != "GET":
            assert body == {"body": TEXT}
            self.wrote.append((method, path))
            return {}
        if path == PULLS:
            return self.pulls
        page = int(path.removeprefix("/issues/7/comments?per_page=100&page="))
        return self.comments[100 * (page - 1) : 100 * page]


def said(number: int, login: str = "github-actions[bot]", body: str = TEXT) -> dict[str, Any]:
    return {"id": number, "user": {"login": login}, "body": body}


def test_the_first_comment_of_a_pull_request_is_posted() -> None:
    github = GitHub([said(1, "someone"), said(2, body="something else")])

    post.post(TEXT, RUN, github)

    assert github.wrote == [("POST", "/issues/7/comments")]


def test_a_later_comment_replaces_ours_however_long_the_talk_was() -> None:
    github = GitHub([said(number, "someone") for number in range(250)] + [said(999)])

    post.post(TEXT, RUN, github)

    assert github.wrote == [("PATCH", "/issues/comments/999")]


def test_a_run_that_a_newer_commit_overtook_says_nothing() -> None:
    github = GitHub([], sha="newer")

    assert "nothing to say" in post.post(TEXT, RUN, github)
    assert github.wrote == []
