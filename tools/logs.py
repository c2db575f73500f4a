"""`logs` of a stack: what the containers of its embedded cluster have said."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tools.errors import Missing
from tools.places import Places

LINES = 50


def main(stack: str, pod: str, *, follow: bool, places: Places) -> NoReturn:
    """Become `tail` of the logs; Missing where there are none."""
    folder = places.state / "clusters" / stack / "logs"
    files = find(folder, pod)
    if not files:
        whose = f"pods {pod}*" if pod else "any pod"
        raise Missing(
            f"logs of {whose}",
            f"none in {folder}",
            way_out=f"`make up STACK={stack}`; only pods that run on this machine write any",
        )
    os.chdir(folder)  # for short names in the headings
    how = ("-n", str(LINES), *(("-F",) if follow else ()))
    os.execvp("tail", ["tail", *how, *files])  # noqa: S606, S607 - our own words


def find(folder: Path, pod: str) -> Sequence[str]:
    """Log files of the pods whose names begin so, as `namespace/pod/container.log`."""
    return sorted(str(path.relative_to(folder)) for path in folder.glob(f"*/{pod}*/*.log"))
