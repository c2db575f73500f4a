"""What the endpoint picker that is built here makes of a configuration, before its pod starts.

It stands for images that have plugins beyond its own, and ends at once over one it does not know.
"""

import re
import subprocess
import tempfile
from pathlib import Path

import tools

SECONDS = 30
NOWHERE = """
apiVersion: v1
kind: Config
clusters: [{name: nowhere, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
users: [{name: nobody, user: {}}]
current-context: nowhere
"""
"""A kubeconfig, without which it reads no configuration."""
UNKNOWN = re.compile(r"plugin type '([^']+)' is not registered")


def refuses(config: str) -> str | None:
    """Why it would not take the configuration; for want of a cluster it ends in any case."""
    with tempfile.TemporaryDirectory() as folder:
        file, nowhere = Path(folder) / "config.yaml", Path(folder) / "kubeconfig"
        file.write_text(config)
        nowhere.write_text(NOWHERE)
        said = subprocess.run(  # noqa: S603 - our own words
            [
                tools.resolve("epp"),
                *("--pool-name=none", "--pool-namespace=none", "--tracing=false"),
                f"--config-file={file}",
            ],
            env={"KUBECONFIG": str(nowhere)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    found = UNKNOWN.search(said.stderr)
    return f"the endpoint picker that is built here has no plugin `{found[1]}`" if found else None
