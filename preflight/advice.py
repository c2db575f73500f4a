"""Commands that put a program in place: data."""

from collections.abc import Mapping

from preflight.facts import MAC, Facts

KUBECTL = "make tools, and make shell where it is to be on PATH"
HOW: Mapping[str, Mapping[str, str]] = {
    "docker": {
        MAC: "brew install --cask docker-desktop && open -a Docker",
        "Linux": "see https://docs.docker.com/engine/install",
    },
    "gcloud": {
        MAC: "see https://cloud.google.com/sdk/docs/install",
        "Linux": "see https://cloud.google.com/sdk/docs/install",
    },
    "gke-gcloud-auth-plugin": {
        MAC: "gcloud components install gke-gcloud-auth-plugin",
        "Linux": "gcloud components install gke-gcloud-auth-plugin, or the package "
        "google-cloud-cli-gke-gcloud-auth-plugin",
    },
    "git": {MAC: "xcode-select --install", "Linux": "sudo apt-get install git"},
    "kind": {MAC: "brew install kind", "Linux": "go install sigs.k8s.io/kind@v0.30.0"},
    "kubectl": {MAC: KUBECTL, "Linux": KUBECTL},
    "minikube": {
        MAC: "brew install minikube",
        "Linux": "see https://minikube.sigs.k8s.io/docs/start",
    },
    "oc": {
        MAC: "brew install openshift-cli",
        "Linux": "see https://docs.okd.io/latest/cli_reference/openshift_cli/getting-started-cli.html",
    },
    "podman": {MAC: "brew install podman", "Linux": "sudo apt-get install podman"},
}
"""Program -> system -> what a person does there."""


def installs(program: str, facts: Facts) -> str:
    known = HOW.get(program, {})
    return known.get(facts.system, f"install {program}, and have it on PATH")
