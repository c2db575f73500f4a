"""The Kubernetes objects of a stack, and how `kubectl` applies, awaits and deletes them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Object = Mapping[str, Any]
Words = tuple[str, ...]

WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
TIMEOUT = "--timeout=300s"


@dataclass(frozen=True)
class Steps:
    """The commands, without `kubectl` itself, and the files that they read."""

    files: Mapping[str, Sequence[Object]]
    apply: Sequence[Words]
    """Up to the same readiness that Pulumi waits for."""
    delete: Sequence[Words]
    gone: Words
    """Waits until what outlives a namespace has gone, and all namespaces."""


def steps(objects: Sequence[Object], folder: Path) -> Steps:
    """Definitions come first: the API server has to know a kind before an object of it."""
    crds = [one for one in objects if one["kind"] == "CustomResourceDefinition"]
    others = [one for one in objects if one["kind"] != "CustomResourceDefinition"]
    workloads = [one for one in others if one["kind"] in WORKLOADS]
    roots = [one for one in objects if "namespace" not in one["metadata"]]
    files = {"crds": crds, "others": others, "roots": roots}
    crds_file, others_file, roots_file = (f"--filename={folder / name}.json" for name in files)
    return Steps(
        files=files,
        apply=(
            ("apply", "--server-side", crds_file),
            ("wait", "--for=condition=Established", crds_file, TIMEOUT),
            ("apply", "--server-side", others_file),
            *(
                ("rollout", "status", f"{one['kind'].lower()}/{_name(one)}", _at(one), TIMEOUT)
                for one in workloads
            ),
            *(
                (
                    "wait",
                    "endpointslice",
                    _at(one),
                    f"--selector=kubernetes.io/service-name={_name(one)}",
                    "--for=jsonpath={.endpoints[0].conditions.ready}=true",
                    TIMEOUT,
                )
                for one in others
                if one["kind"] == "Service" and one["spec"].get("selector")
            ),
        ),
        delete=(
            ("delete", "--ignore-not-found", others_file, TIMEOUT),
            ("delete", "--ignore-not-found", crds_file, TIMEOUT),
        ),
        gone=("wait", "--for=delete", roots_file, TIMEOUT),
    )


def write(found: Steps, folder: Path) -> None:
    """Write the files that the commands read."""
    for name, objects in found.files.items():
        listed = {"apiVersion": "v1", "kind": "List", "items": objects}
        (folder / f"{name}.json").write_text(json.dumps(listed))


def _name(one: Object) -> str:
    return str(one["metadata"]["name"])


def _at(one: Object) -> str:
    return f"--namespace={one['metadata']['namespace']}"
