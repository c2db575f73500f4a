"""The stack's own program, run by Pulumi in a rehearsal.

Nothing is waited for: a pod that finds no node would hold up whatever comes after it, for as long
as its model may take to load. That is all that objects differ by, an annotation.
"""

import os
import runpy
from pathlib import Path
from typing import Any, cast

import pulumi

SKIP_AWAIT = {"pulumi.com/skipAwait": "true"}
DEFINITION = "CustomResourceDefinition"
"""Is waited for all the same: objects of its kind are refused before it is served."""


def at_once(
    asked: pulumi.ResourceTransformationArgs,
) -> pulumi.ResourceTransformationResult | None:
    props = cast("dict[str, Any]", asked.props)
    metadata: dict[str, Any] | None = props.get("metadata")
    if not metadata or not asked.type_.startswith("kubernetes:") or DEFINITION in asked.type_:
        return None
    annotations: dict[str, Any] = {**(metadata.get("annotations") or {}), **SKIP_AWAIT}
    changed: dict[str, Any] = {**props, "metadata": {**metadata, "annotations": annotations}}
    return pulumi.ResourceTransformationResult(changed, asked.opts)


def main() -> None:
    root = Path(__file__).resolve().parents[1]
    os.chdir(root)  # where a stack file's relative paths begin
    pulumi.runtime.register_stack_transformation(at_once)
    runpy.run_path(str(root / "__main__.py"), run_name="__main__")


if __name__ == "__main__":
    main()
