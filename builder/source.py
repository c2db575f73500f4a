"""A commit's files, checked and patched."""

from dataclasses import replace
from pathlib import Path

from builder.asked import Image, Part, Patch
from builder.running import Runner
from tools import Missing

SECONDS = 900.0
"""To fetch one commit: vLLM's is 30 MB."""
GIT = (
    "git",
    # Files as they are in the repository, and no program of anyone's on the way.
    *("-c", "core.autocrlf=false", "-c", "core.hooksPath=/dev/null"),
    *("-c", "protocol.ext.allow=never"),
)
SILENT = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
"""Nobody is there to type a password."""


def fetch(image: Image, folder: Path, runner: Runner) -> None:
    """The commit alone, in a repository of its own; Missing where its tag points elsewhere."""
    way_out = f"see that `git ls-remote {image.repository}` works here, and run this again"
    runner = replace(runner, env=SILENT)
    ref = f"refs/tags/{image.tag}" if image.tag else image.commit
    for words in (
        ("init", "--quiet", "--template=", folder),
        ("-C", folder, "fetch", "--depth=1", "--no-tags", "--", image.repository, ref),
    ):
        runner.stream([*GIT, *words], seconds=SECONDS, way_out=way_out)
    found = runner.ask([*GIT, "-C", folder, "rev-parse", "--verify", "FETCH_HEAD^{commit}"])
    if found != image.commit:
        raise Missing(
            f"source of {image.recipe}",
            f"{image.tag or 'what was fetched'} is commit {found}, expected {image.commit}",
            way_out="find out who moved the tag and why; a commit that you trust goes into "
            f"`images.sources.{image.recipe}`",
        )


def check_out(image: Image, part: Part, folder: Path, runner: Runner) -> None:
    """The files as they are committed, and then patched for the platform."""
    runner.stream(
        [*GIT, "-C", folder, "checkout", "--quiet", "--force", "--detach", image.commit],
        seconds=SECONDS,
        way_out="see whether there is room on this disk",
    )
    for one in part.patches:
        patch(folder, one, image)


def patch(folder: Path, asked: Patch, image: Image) -> None:
    file = folder / asked.file
    text = file.read_text() if file.is_file() else ""
    if (count := text.count(asked.find)) != 1:
        raise Missing(
            f"patch of {image.recipe}",
            f"`{asked.find}` is {count} times in {asked.file} of commit {image.commit}, expected "
            "once",
            way_out="build another tag, or take the image that the release publishes",
        )
    file.write_text(text.replace(asked.find, asked.replace))
