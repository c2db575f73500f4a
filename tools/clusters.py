"""A cluster that runs on this machine, by the command of the package that made it."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tools.errors import Missing
from tools.places import Places

RECORD = "machine.json"
"""What `machines` keeps in the folder of a cluster from its beginning to its end."""


def act(action: str, cluster: Path, places: Places, env: Mapping[str, str]) -> str:
    """What the cluster in a folder says to `start`, `stop` or `down`; Missing if it cannot."""
    done = subprocess.run(  # noqa: S603 - our words, and no shell reads them
        [sys.executable, "-m", package(cluster), action],
        cwd=places.root,
        env=dict(env) | {"LLMD_CLUSTER_ROOT": str(cluster)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # What takes minutes tells how far it has come.
        stderr=None if is_of_a_tool(cluster) else subprocess.PIPE,
        text=True,
        check=False,
        start_new_session=True,  # Ctrl-C is for us: it is not to be left half done
    )
    if done.returncode:
        why = (done.stderr or f"`{action}` failed, see above").strip()
        raise Missing(f"{package(cluster)} cluster", why, way_out="`make down`, then `make up`")
    return done.stdout


def is_of_a_tool(cluster: Path) -> bool:
    """Whether minikube or kind made it, for us."""
    return (cluster / RECORD).exists()


def package(cluster: Path) -> str:
    return "machines" if is_of_a_tool(cluster) else "embedded"
