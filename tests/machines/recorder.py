"""Stands on PATH as minikube, kind, podman, docker and kubectl: writes each call down, and answers
as the tools do of a world that is a JSON file. Standard library only; run as a program.

    recorder.py WORLD TOOL ARGUMENTS...
"""

import json
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

HERE, TOOL, *WORDS = sys.argv[1:]
WORLD = Path(HERE) / "world.json"
FLAGS = dict(word.removeprefix("--").partition("=")[::2] for word in WORDS if word[:2] == "--")
PLAIN = [word for word in WORDS if word[:2] != "--"]
VARIABLES = ("KUBECONFIG", "KIND_EXPERIMENTAL_PROVIDER", "CONTAINER_CONNECTION")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def world() -> dict[str, Any]:
    return json.loads(WORLD.read_text())


def change(part: str, name: str, said: dict[str, Any] | None) -> None:
    now = world()
    if said is None:
        now[part].pop(name, None)
    else:
        now[part][name] = {**now[part].get(name, {}), **said}
    fresh = WORLD.with_suffix(".new")
    fresh.write_text(json.dumps(now))
    fresh.replace(WORLD)


def pause(stage: str) -> None:
    """Stay at the stage that a test wants to be reached, until somebody ends us."""
    wanted = Path(HERE) / "pause"
    if wanted.exists() and wanted.read_text() == " ".join((TOOL, *PLAIN[:2], stage)):
        (Path(HERE) / "reached").write_text(str(os.getpid()))
        time.sleep(60)


def kubeconfig(context: str) -> None:
    Path(FLAGS.get("kubeconfig") or os.environ["KUBECONFIG"]).write_text(context)


def create(part: str, name: str, context: str) -> None:
    there = world()[part].get(name)
    pause("before")
    if there is None:
        change(part, name, {"state": "half", "uid": str(uuid.uuid4())})
    say(f"* {TOOL} is at it")
    pause("during")
    change(part, name, {"state": "running"})
    kubeconfig(context)
    pause("after")


def minikube() -> None:
    name = FLAGS.get("profile", "")
    there = world()["minikube"].get(name)
    match PLAIN:
        case ["profile", "list"]:
            listed: dict[str, list[dict[str, str]]] = {"invalid": [], "valid": []}
            for one, said in world()["minikube"].items():
                listed["invalid" if said["state"] == "half" else "valid"].append({"Name": one})
            say(json.dumps(listed))
        case ["status"]:
            runs = there["state"] == "running"
            said = "Running" if runs else "Stopped"
            node = {"Name": name, "Host": said, "Kubelet": said, "APIServer": said}
            say(json.dumps([node] if world().get("lists") else node))
            sys.exit(0 if runs else 7)
        case ["start"]:
            create("minikube", name, name)
        case ["update-context"]:
            kubeconfig(name)
        case ["stop"]:
            change("minikube", name, {"state": "stopped"})
        case ["delete"]:
            pause("before")
            change("minikube", name, None)
            pause("after")
        case _:
            sys.exit(f"unknown command {WORDS}")


def kind() -> None:
    name = FLAGS.get("name") or (
        json.loads(Path(FLAGS["config"]).read_text())["name"] if "config" in FLAGS else ""
    )
    match PLAIN:
        case ["get", "clusters"]:
            if not world()["kind"]:
                sys.stderr.write("No kind clusters found.\n")
            say("\n".join(world()["kind"]))
        case ["get", "nodes"]:
            say(f"{name}-control-plane")
        case ["create", "cluster"]:
            create("kind", name, f"kind-{name}")
        case ["export", "kubeconfig"]:
            kubeconfig(f"kind-{name}")
        case ["delete", "cluster"]:
            pause("before")
            change("kind", name, None)
            pause("after")
        case _:
            sys.exit(f"unknown command {WORDS}")


def machine(action: str, name: str) -> None:
    there = world()["machine"].get(name)
    sizes = {key: int(FLAGS[key]) for key in ("cpus", "memory", "disk-size") if key in FLAGS}
    match action:
        case "list":
            say(json.dumps([{"Name": one} for one in world()["machine"]]))
        case "inspect":
            resources = {
                "CPUs": there["cpus"],
                "Memory": there["memory"],
                "DiskSize": there["disk-size"],
            }
            said = {"Name": name, "Resources": resources, "Rootful": there["rootful"]}
            say(json.dumps([{**said, "State": there["state"]}]))
        case "init":
            pause("before")
            change("machine", name, {**sizes, "rootful": "rootful" in FLAGS, "state": "stopped"})
            pause("after")
        case "set":
            if there["state"] == "running":
                sys.exit("Error: the machine is running")
            change("machine", name, {**sizes, "rootful": "rootful" in FLAGS})
        case "start":
            pause("before")
            change("machine", name, {"state": "running"})
        case "stop":
            change("machine", name, {"state": "stopped"})
            for one in world()["kind"]:
                change("kind", one, {"state": "stopped"})
        case "rm":
            change("machine", name, None)
        case _:
            sys.exit(f"unknown command {WORDS}")


def containers() -> None:
    action, *nodes = PLAIN
    for node in nodes:
        name = node.removesuffix("-control-plane")
        match action:
            case "inspect":
                say(str(world()["kind"][name]["state"] == "running").lower())
            case "start":
                change("kind", name, {"state": "running"})
            case "stop":
                change("kind", name, {"state": "stopped"})
            case _:
                sys.exit(f"unknown command {WORDS}")


def kubectl() -> None:
    context = FLAGS["context"]
    part, name = ("kind", context[5:]) if context[:5] == "kind-" else ("minikube", context)
    there = world()[part].get(name)
    if Path(FLAGS["kubeconfig"]).read_text() != context or not there:
        sys.exit("no such context")
    if there["state"] != "running":
        sys.exit("connection refused")
    say(there["uid"])


def main() -> None:
    with (Path(HERE) / "calls").open("a") as calls:
        env = {name: os.environ[name] for name in VARIABLES if name in os.environ}
        calls.write(json.dumps({"words": [TOOL, *WORDS], "env": env}) + "\n")
    failing = world().get("fails") or {}
    if (said := failing.get(f"{TOOL} {' '.join(PLAIN[:2])}".strip())) is not None:
        sys.stderr.write(f"{said}\n")
        sys.exit(3)
    if TOOL in {"podman", "docker"}:
        if PLAIN[0] == "machine":
            machine(PLAIN[1], (PLAIN[2:] or [""])[0])
        else:
            containers()
    else:
        {"minikube": minikube, "kind": kind, "kubectl": kubectl}[TOOL]()


if __name__ == "__main__":
    main()
