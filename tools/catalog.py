"""Every tool as data: its pin, what counts as suitable, where vendors publish it, how it is built.

A version is written once, in `go/*/go.mod`; all the rest is derived from there.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.versions import Range, Version, find, same_minor

KUBERNETES = "k8s.io/kubernetes"
ETCD = "go.etcd.io/etcd/server/v3"
KWOK = "sigs.k8s.io/kwok"
EPP = "sigs.k8s.io/gateway-api-inference-extension"
HELM = "helm.sh/helm/v3"
ISTIO = "istio.io/istio"
PROMETHEUS = "github.com/prometheus/prometheus"
ISTIO_API = "istio.io/api"
"""Has versions; the releases of Istio itself are none that Go knows, so its module has none."""
PULUMI_CLI = "github.com/pulumi/pulumi/pkg/v3"
PULUMI_SDK = "github.com/pulumi/pulumi/sdk/v3"

LANGUAGE_HOST = "pulumi-language-python"
LANGUAGE_EXEC = "pulumi-language-python-exec"

ISTIO_BOOTSTRAP = "istio-envoy-bootstrap.json"
"""From which Istio's agent makes the configuration that its Envoy starts with."""
ISTIO_BASE_CHART, ISTIOD_CHART = "istio-base.tgz", "istiod.tgz"

CRD_FAMILY = "crds"
"""Modules whose YAML is read and of which nothing is built."""


@dataclass(frozen=True)
class Family:
    """Go programs that are built with one command and share one dependency graph.

    `stamps` are the linker's `-X` variables: the module whose pin they tell, and how it is written
    from major, minor and patch. Without them the programs call themselves v0.0.0, which kwokctl and
    kubectl act on.
    """

    packages: int
    """How many packages a cold build compiles; only for the progress line (go list -deps)."""
    stamps: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    tags: tuple[str, ...] = ()
    """Build tags: what is left out of the programs."""


_WHOLE = "v{0}.{1}.{2}"

# Smallest first: what is wrong with a machine shows after half a minute, not after ten. Istio
# last: few stacks need it.
FAMILIES: Mapping[str, Family] = {
    "language": Family(packages=534),
    "pulumi": Family(
        packages=1626,
        stamps={f"{PULUMI_SDK}/go/common/version.Version": (PULUMI_CLI, _WHOLE)},
    ),
    "cluster": Family(
        packages=3196,
        stamps={
            "k8s.io/component-base/version.gitVersion": (KUBERNETES, _WHOLE),
            "k8s.io/component-base/version.gitMajor": (KUBERNETES, "{0}"),
            "k8s.io/component-base/version.gitMinor": (KUBERNETES, "{1}"),
            "k8s.io/client-go/pkg/version.gitVersion": (KUBERNETES, _WHOLE),
            f"{HELM}/internal/version.version": (HELM, _WHOLE),
        },
    ),
    "istio": Family(packages=1853),
    # Of all the clouds that it finds targets in, Kubernetes alone: 1285 packages and not 1490.
    "prometheus": Family(packages=1285, tags=("remove_all_sd", "enable_kubernetes_sd")),
}


@dataclass(frozen=True)
class GoPackage:
    """A program: the family that builds it, its package, the name `go build` gives it."""

    family: str
    package: str
    output: str


@dataclass(frozen=True)
class ModuleFile:
    """A file that is taken from a Go module as it is."""

    family: str
    module: str
    path: str


@dataclass(frozen=True)
class ModuleChart:
    """A Helm chart that is a folder of a Go module, as the archive that helm takes."""

    family: str
    module: str
    path: str


Part = GoPackage | ModuleFile | ModuleChart


@dataclass(frozen=True)
class Vendor:
    """Where the vendor publishes a tool for a platform, and the checksums of it.

    In templates: {version} without v, {os} and {arch} as Go calls them, {x64} as Node calls the
    architecture, {archive} the archive's ending on that OS, {file} the last part of `url`.
    """

    url: str
    sums: str
    members: Mapping[str, str] = field(default_factory=dict[str, str])
    """File -> name in the archive; empty where the download is the program itself."""
    systems: tuple[str, ...] = ("linux", "darwin")


@dataclass(frozen=True)
class Tool:
    """One row: `files` maps what it puts on PATH to where each comes from when it is built."""

    name: str
    family: str
    module: str
    """Whose version in the family's go.mod is this tool's pin."""
    files: Mapping[str, Part]
    ask: tuple[str, ...] = ("--version",)
    """Arguments that make it print its version."""
    suits: Callable[[Version], Range] | None = None
    """Which installed versions will do, given the pin; None: never taken from PATH."""
    vendor: Vendor | None = None
    every_stack: bool = False
    """Needed for each stack, not only for the embedded cluster."""
    option: str = ""
    """A gateway or `prometheus`, if only stacks with it need it; empty where all do."""

    @property
    def command(self) -> str:
        """What puts it in place."""
        return f"python3 -m tools install {self.name}" if self.option else "make tools"


def _from(first: Version, below: Version) -> Callable[[Version], Range]:
    return lambda _pin: Range(first, below)


_DL_K8S = "https://dl.k8s.io/release/v{version}/bin/{os}/{arch}/"
_GITHUB_KWOK = "https://github.com/kubernetes-sigs/kwok/releases/download/v{version}/"
_GITHUB_ETCD = "https://github.com/etcd-io/etcd/releases/download/v{version}/"


def _kubernetes(name: str) -> Tool:
    """One of the control plane's programs, which must be of one minor version."""
    return Tool(
        name=name,
        family="cluster",
        module=KUBERNETES,
        files={name: GoPackage("cluster", f"{KUBERNETES}/cmd/{name}", name)},
        suits=same_minor,
        vendor=Vendor(  # server programs are published for Linux alone
            url=_DL_K8S + name, sums=_DL_K8S + name + ".sha256", systems=("linux",)
        ),
    )


def _kwok(name: str) -> Tool:
    return Tool(
        name=name,
        family="cluster",
        module=KWOK,
        files={name: GoPackage("cluster", f"{KWOK}/cmd/{name}", name)},
        suits=same_minor,
        vendor=Vendor(  # no checksum file is published; GitHub lists a digest for each file
            url=_GITHUB_KWOK + name + "-{os}-{arch}",
            sums="https://api.github.com/repos/kubernetes-sigs/kwok/releases/tags/v{version}",
        ),
    )


_TOOLS = (
    Tool(
        name="pulumi",
        family="pulumi",
        module=PULUMI_CLI,
        files={
            "pulumi": GoPackage("pulumi", f"{PULUMI_CLI}/cmd/pulumi", "pulumi"),
            LANGUAGE_HOST: GoPackage(
                "language", f"{PULUMI_SDK}/python/cmd/{LANGUAGE_HOST}", LANGUAGE_HOST
            ),
            # The host looks for it beside itself.
            LANGUAGE_EXEC: ModuleFile("pulumi", PULUMI_SDK, f"python/cmd/{LANGUAGE_EXEC}"),
        },
        ask=("version",),
        # The first that was seen to run the program's error hooks.
        suits=_from((3, 246, 0), (4, 0, 0)),
        vendor=Vendor(
            url="https://get.pulumi.com/releases/sdk/pulumi-v{version}-{os}-{x64}.tar.gz",
            sums="https://get.pulumi.com/releases/sdk/pulumi-{version}-checksums.txt",
            members={name: f"pulumi/{name}" for name in ("pulumi", LANGUAGE_HOST, LANGUAGE_EXEC)},
        ),
        every_stack=True,
    ),
    Tool(
        name="kubectl",
        family="cluster",
        module=KUBERNETES,
        files={"kubectl": GoPackage("cluster", f"{KUBERNETES}/cmd/kubectl", "kubectl")},
        ask=("version", "--client"),
        # Upstream supports one minor of skew. What is asked of it here (get, wait, apply
        # --server-side, port-forward) has not changed since 1.30, and a user's own kubectl fits
        # the user's own cluster best.
        suits=_from((1, 30, 0), (2, 0, 0)),
        vendor=Vendor(url=_DL_K8S + "kubectl", sums=_DL_K8S + "kubectl.sha256"),
        every_stack=True,
    ),
    Tool(
        name="helm",
        family="cluster",
        module=HELM,
        files={"helm": GoPackage("cluster", f"{HELM}/cmd/helm", "helm")},
        ask=("version", "--short"),
        suits=_from((3, 8, 0), (4, 0, 0)),  # 3.8 is the first that pulls charts from registries
        vendor=Vendor(
            url="https://get.helm.sh/helm-v{version}-{os}-{arch}.tar.gz",
            sums="https://get.helm.sh/helm-v{version}-{os}-{arch}.tar.gz.sha256sum",
            members={"helm": "{os}-{arch}/helm"},
        ),
        every_stack=True,
    ),
    Tool(
        name="etcd",
        family="cluster",
        module=ETCD,
        files={"etcd": GoPackage("cluster", ETCD, "server")},
        # 3.5 has no RequestWatchProgress: pods take 40 s to become Ready.
        suits=_from((3, 6, 0), (4, 0, 0)),
        vendor=Vendor(
            url=_GITHUB_ETCD + "etcd-v{version}-{os}-{arch}.{archive}",
            sums=_GITHUB_ETCD + "SHA256SUMS",
            members={"etcd": "etcd-v{version}-{os}-{arch}/etcd"},
        ),
    ),
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kube-scheduler"),
    _kwok("kwok"),
    _kwok("kwokctl"),
    Tool(  # published as an image only, and it cannot say its version
        name="epp",
        family="cluster",
        module=EPP,
        files={"epp": GoPackage("cluster", f"{EPP}/cmd/epp", "epp")},
    ),
    Tool(  # the same: tells Gateways which model a request asks for, where there are several
        name="bbr",
        family="cluster",
        module=EPP,
        files={"bbr": GoPackage("cluster", f"{EPP}/cmd/bbr", "bbr")},
        option="istio",
    ),
    Tool(  # published as images and charts only
        name="pilot-discovery",
        family="istio",
        module=ISTIO_API,
        files={
            **{
                name: GoPackage("istio", f"{ISTIO}/pilot/cmd/{name}", name)
                for name in ("pilot-discovery", "pilot-agent")
            },
            ISTIO_BOOTSTRAP: ModuleFile(
                "istio", ISTIO, "tools/packaging/common/envoy_bootstrap.json"
            ),
            ISTIO_BASE_CHART: ModuleChart("istio", ISTIO, "manifests/charts/base"),
            ISTIOD_CHART: ModuleChart(
                "istio", ISTIO, "manifests/charts/istio-control/istio-discovery"
            ),
        },
        option="istio",
    ),
    Tool(
        name="prometheus",
        family="prometheus",
        module=PROMETHEUS,
        files={
            name: GoPackage("prometheus", f"{PROMETHEUS}/cmd/{name}", name)
            for name in ("prometheus", "promtool")
        },
        # Neither from PATH nor from the vendor: what calls itself 3.11.3 is v0.311.3 as a module.
        option="prometheus",
    ),
)

TOOLS: Mapping[str, Tool] = {tool.name: tool for tool in _TOOLS}

OWNERS: Mapping[str, Tool] = {file: tool for tool in _TOOLS for file in tool.files}
"""Which tool brings a file that is on PATH."""


def requirements(go_mod: Path) -> dict[str, str]:
    """Read what a go.mod requires: module -> version, as Go writes it."""
    required = re.compile(r"^(?:require\s+|\t)(\S+) (v\S+)(?: // indirect)?$", re.MULTILINE)
    return dict(required.findall(go_mod.read_text()))


def pins(go_mod: Path) -> dict[str, Version]:
    """Read a go.mod's requirements: module -> version."""
    said = requirements(go_mod)
    return {module: version for module, text in said.items() if (version := find(text))}


def pin(tool: Tool, go_modules: Path) -> Version:
    """Look up the version of a tool that this project was tested with."""
    return pins(go_modules / tool.family / "go.mod")[tool.module]
