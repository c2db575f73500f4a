"""The document that leads from the guides' scripts to this program names only what there is."""

import re

import pytest
from recording import ROOT, STACKS
from test_bad_input import SHAPE

from stack import config

DOCUMENT = (ROOT / "docs" / "from-the-guides.md").read_text()
HERE = [
    line.split(" | ", 1)[1]
    for line in DOCUMENT.splitlines()
    if line.startswith("| ") and not line.startswith(("| its step", "| ---"))
]
"""What stands on our side of its tables."""
CODE = [code for line in HERE for code in re.findall(r"`([^`]+)`", line)]
KEYS = config.keys(SHAPE)


def names_of(block: str) -> set[str]:
    """Keys that a block may have, whatever the kind of cluster."""
    return {
        name
        for path, names in KEYS.items()
        if path == block or re.sub(r"^cluster\.[a-z]+", "cluster", path) == block
        for name in names
    }


PATHS = sorted({code for code in CODE if re.match(r"^[a-z]\w+(\[\])?\.\w+", code)})


@pytest.mark.parametrize("said", PATHS)
def test_a_key_that_it_names_is_one_of_a_stack_file(said: str) -> None:
    *block, key = said.partition(":")[0].replace("[]", "").split(".")

    assert key in names_of(".".join(block))


def test_it_names_keys_and_they_are_looked_at() -> None:
    assert {"cluster.machine.keep: true", "names.hfTokenSecret", "models[].claim"} <= {*PATHS}


@pytest.mark.parametrize(
    "target", sorted({code.split()[1] for code in CODE if code[:5] == "make "})
)
def test_a_target_of_make_that_it_names_is_there(target: str) -> None:
    assert re.search(rf"(?m)^{target}:", (ROOT / "Makefile").read_text())


def test_a_stack_that_it_names_is_there() -> None:
    named = {*re.findall(r"Pulumi\.([\w-]+)\.yaml", DOCUMENT)}
    named |= {*re.findall(r"STACK=([\w-]+)", DOCUMENT)}

    assert named
    assert named <= {*STACKS}
