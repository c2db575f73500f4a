"""Post a comment on the pull request that a run was for, or update it: `post.py FILE`.

Which pull request is said by GitHub, in the event; nothing that the pull request wrote is asked.
"""  # noqa: INP001 - scripts, not a package

import json
import os
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

BOT = "github-actions[bot]"
PAGE = 100
SECONDS = 30.0

Call = Callable[[str, str, Mapping[str, Any] | None], Any]
"""Method, path below the repository, body -> GitHub's answer."""


def post(text: str, run: Mapping[str, Any], call: Call) -> str:
    """Have one comment on the pull request whose head the run was for; what was done."""
    number = _pull_request(run, call)
    if number is None:
        return "no open pull request has this commit as its head: nothing to say"
    marker = text.split("\n", 1)[0]
    for one in _comments(number, call):
        if one["user"]["login"] == BOT and one["body"].startswith(marker):
            call("PATCH", f"/issues/comments/{one['id']}", {"body": text})
            return f"updated the comment on #{number}"
    call("POST", f"/issues/{number}/comments", {"body": text})
    return f"commented on #{number}"


def _pull_request(run: Mapping[str, Any], call: Call) -> int | None:
    """Look it up by its head: the event names none where the head is a fork's."""
    head = f"{run['head_repository']['owner']['login']}:{run['head_branch']}"
    found = call("GET", f"/pulls?{urlencode({'state': 'open', 'head': head})}", None)
    # A run that was overtaken by a newer commit has nothing to say any more.
    return next((one["number"] for one in found if one["head"]["sha"] == run["head_sha"]), None)


def _comments(number: int, call: Call) -> Iterator[dict[str, Any]]:
    page = 1
    while True:
        asked = urlencode({"per_page": PAGE, "page": page})
        found: list[dict[str, Any]] = call("GET", f"/issues/{number}/comments?{asked}", None)
        yield from found
        if len(found) < PAGE:
            return
        page += 1


def github(method: str, path: str, body: Mapping[str, Any] | None) -> Any:
    """Ask GitHub, as the workflow."""
    request = urllib.request.Request(  # noqa: S310 - GitHub's own address
        f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - see above
        return json.load(answer)


if __name__ == "__main__":
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text())
    said = post(Path(sys.argv[1]).read_text(), event["workflow_run"], github)
    sys.stdout.write(f"{said}\n")
