"""Stands on PATH as minikube: its clusters are control planes of this machine. Run as a program.

minikube.py HOME ARGUMENTS...
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import tools
from embedded.cluster import CONTEXT, Cluster, Node

HOME = Path(sys.argv[1])
PROFILE = next((one[len("--profile=") :] for one in sys.argv if one[:10] == "--profile="), "")
PLANE = Cluster(root=HOME / "plane", tools=tools.resolve)
NODE = Node(
    name="minikube",
    allocatable={"cpu": "8", "memory": "24Gi", "ephemeral-storage": "100Gi"},
    labels={},
)


def kubeconfig() -> None:
    ours = Path(os.environ["KUBECONFIG"])
    shutil.copy(PLANE.kubeconfig, ours)
    subprocess.run(  # noqa: S603 - our own words
        [
            *(tools.resolve("kubectl"), f"--kubeconfig={ours}"),
            *("config", "rename-context", CONTEXT, PROFILE),
        ],
        check=True,
    )


def main(words: list[str]) -> None:
    with (HOME / "calls").open("a") as calls:
        calls.write(" ".join(words) + "\n")
    match words[0]:
        case "profile":
            valid = [{"Name": "llm-d-cpu"}] if PLANE.root.exists() else []
            sys.stdout.write(json.dumps({"invalid": [], "valid": valid}))
        case "status":
            said = "Running" if PLANE.ready() else "Stopped"
            sys.stdout.write(json.dumps({"Host": said, "Kubelet": said, "APIServer": said}))
        case "start":
            PLANE.root.mkdir(parents=True, exist_ok=True)
            if (HOME / "pause").exists():
                (HOME / "reached").touch()
                time.sleep(600)
            PLANE.up([NODE])
            kubeconfig()
        case "update-context":
            kubeconfig()
        case "stop":
            PLANE.stop()
        case "delete":
            PLANE.down()
        case _:
            sys.exit(f"unknown command {words}")


if __name__ == "__main__":
    main(sys.argv[2:])
