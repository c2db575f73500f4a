"""Print every stack file of a folder as a line of `$GITHUB_OUTPUT`: `stacks=["embedded", ...]`."""  # noqa: INP001 - scripts, not a package

import json
import sys
from pathlib import Path


def stacks(root: Path) -> list[str]:
    """Name every stack that has a file."""
    return sorted(
        path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        for path in root.glob("Pulumi.*.yaml")
    )


if __name__ == "__main__":
    sys.stdout.write(f"stacks={json.dumps(stacks(Path.cwd()))}\n")
