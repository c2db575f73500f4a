"""Preview one stack from nothing, and write what matters of it: `preview.py STACK FILE`.

A backend that is thrown away, no cluster and no secret, so it runs on a fork as it does here.
"""  # noqa: INP001 - scripts, not a package

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools import Missing, install
from tools.places import here
from tools.stack import Pulumi


def digest(stack: str, code: int, said: str, complaints: str) -> dict[str, Any]:
    """Keep operations, names and messages; inputs stay here, which is where secrets would be."""
    try:
        preview: dict[str, Any] = json.loads(said)
    except ValueError:
        preview = {"diagnostics": [{"severity": "error", "message": complaints or said}]}
    return {
        "stack": stack,
        "code": code,
        "steps": [
            {
                "op": step["op"],
                "urn": step["urn"],
                "parent": (step.get("newState") or step.get("oldState") or {}).get("parent", ""),
            }
            for step in preview.get("steps") or []
        ],
        "messages": [
            one["message"].strip()
            for one in preview.get("diagnostics") or []
            if one.get("severity") == "error"
        ],
    }


def preview(stack: str, backend: Path) -> dict[str, Any]:
    """Ask Pulumi, with nothing of this machine's in its reach."""
    os.environ["PULUMI_BACKEND_URL"] = backend.as_uri()
    os.environ["PULUMI_CONFIG_PASSPHRASE"] = ""
    os.environ["KUBECONFIG"] = os.devnull
    try:
        install.ensure(install.EVERY_STACK)
        pulumi = Pulumi(stack, here())
        pulumi.select()
    except Missing as problem:
        return digest(stack, 1, "", str(problem))
    words = ("preview", "--json", "--non-interactive", f"--stack={stack}")
    done = subprocess.run(  # noqa: S603 - our words, and no shell reads them
        ["pulumi", *words, f"--config-file={pulumi.file}"],  # noqa: S607 - on the PATH that we made
        cwd=pulumi.places.root,
        env=pulumi.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return digest(stack, done.returncode, done.stdout, done.stderr)


def main(stack: str, file: Path) -> int:
    """Write the digest whatever comes of the preview; Pulumi's exit code."""
    with tempfile.TemporaryDirectory() as backend:
        found = preview(stack, Path(backend))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found))
    sys.stdout.write("".join(f"{line}\n" for line in found["messages"]))
    return found["code"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
