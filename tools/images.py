"""What a stack has had built on this machine, by the command that builds it."""

import subprocess
import sys
from collections.abc import Mapping

from tools.errors import Missing
from tools.places import Places


def sweep(stack: str, places: Places, env: Mapping[str, str]) -> None:
    """Have removed what is left of a stack that is gone; Missing where that cannot be."""
    done = subprocess.run(  # noqa: S603 - our words, and no shell reads them
        [sys.executable, "-m", "builder", "sweep", stack],
        cwd=places.root,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Missing(f"images of {stack}", done.stderr.strip(), way_out="run this again")
