"""A cluster that runs on this machine, by its own command."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tools.errors import Missing
from tools.places import Places


def act(action: str, cluster: Path, places: Places, env: Mapping[str, str]) -> str:
    """What the cluster in a folder says to `start`, `down` or `troubles`; Missing if it cannot."""
    done = subprocess.run(  # noqa: S603 - our words, and no shell reads them
        [sys.executable, "-m", "embedded", action],
        cwd=places.root,
        env=dict(env) | {"LLMD_CLUSTER_ROOT": str(cluster)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # Ctrl-C is for us: it is not to be left half done
    )
    if done.returncode:
        raise Missing(
            "embedded cluster", done.stderr.strip(), way_out="`make down`, then `make up`"
        )
    return done.stdout
