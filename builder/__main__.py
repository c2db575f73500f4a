"""`python3 -m builder build|load|remove`: what the Commands of an `ImageBuild` run.

    LLMD_IMAGE               what to build, as `stack.plan.Image` says it, in JSON
    LLMD_REGISTRY_PASSWORD   where the image has a username

`python3 -m builder sweep STACK` removes all that a stack has, once the stack itself is gone.
"""

import json
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from builder import making
from builder.asked import Image
from builder.shelf import Shelf
from tools import Missing
from tools.places import here
from tools.progress import Progress

ACTIONS = {"build": making.build, "load": making.load, "remove": making.remove}


def main(action: str, stack: str) -> None:
    signal.signal(signal.SIGTERM, interrupted)
    progress, cache = Progress(sys.stderr), here().cache
    if action == "sweep":
        making.sweep(cache, stack, progress)
        return
    if action not in ACTIONS:
        known = ", ".join((*ACTIONS, "sweep"))
        sys.exit(f"python3 -m builder: `{action}`, expected one of {known}")
    image = Image.read(os.environ["LLMD_IMAGE"])
    # Out of the environment: no program that is started needs it.
    password = os.environ.pop("LLMD_REGISTRY_PASSWORD", None)
    said = ACTIONS[action](image, Shelf.of(image, cache), password, progress)
    if said:
        print(json.dumps(said))


def interrupted(number: int, _frame: FrameType | None) -> NoReturn:
    """Have what is running ended on the way out."""
    sys.exit(128 + number)


if __name__ == "__main__":
    try:
        main(*[*sys.argv[1:3], "", ""][:2])
    except Missing as error:
        sys.exit(f"image: {error}")
