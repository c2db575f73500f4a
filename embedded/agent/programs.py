"""Which images have a program on this machine, and how it is started."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tools
from embedded.agent import pickers
from tools.catalog import ISTIO_BOOTSTRAP

ROOT = Path(__file__).resolve().parents[2]


class SimulatedError(Exception):
    """Why a pod's containers cannot be run here, in a few words."""


@dataclass(frozen=True, kw_only=True)
class LocalProgram:
    """What stands in for an image's entrypoint."""

    entrypoints: frozenset[str]
    """What a container's command may call the image's own program."""
    argv: Callable[[], tuple[str, ...]]
    """The program; what cannot be found raises SimulatedError or tools.Missing."""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    files: Callable[[], Mapping[str, Path]] = dict[str, Path]
    """What the image has that the program needs: place in the container -> file of the machine."""
    controls: bool = False
    """Whether the conditions of other objects are its word, and without it nobody's."""
    refuses: Callable[[str], str | None] | None = None
    """Why it would end at once over a file that it is given."""


def _envoy() -> tuple[str, ...]:
    """The binary itself, which the wheel's command would start as a child."""
    found = [*Path(sys.prefix).glob("lib/python*/site-packages/envoy/_bin/envoy")]
    if not found:
        raise SimulatedError("there is no Envoy for this machine on PyPI")
    return (str(found[0]),)


ISTIO_MESH = Path(__file__).with_name("istio-mesh.yaml")
PROMETHEUS = "/bin/prometheus"
PILOT_DISCOVERY, PILOT_AGENT = "/usr/local/bin/pilot-discovery", "/usr/local/bin/pilot-agent"


def _istiod() -> Mapping[str, Path]:
    return {
        PILOT_DISCOVERY: tools.resolve("pilot-discovery"),
        "/etc/istio/config/mesh": ISTIO_MESH,
    }


def _istio_proxy() -> Mapping[str, Path]:
    return {
        PILOT_AGENT: tools.resolve("pilot-agent"),
        "/usr/local/bin/envoy": Path(*_envoy()),
        "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json": tools.resolve(ISTIO_BOOTSTRAP),
    }


PROGRAMS: Mapping[str, LocalProgram] = {
    "ghcr.io/llm-d/llm-d-inference-scheduler": LocalProgram(
        entrypoints=frozenset({"/app/epp", "epp"}),
        argv=lambda: (str(tools.resolve("epp")),),
        refuses=pickers.refuses,
    ),
    "registry.k8s.io/gateway-api-inference-extension/bbr": LocalProgram(
        entrypoints=frozenset({"/bbr", "bbr"}), argv=lambda: (str(tools.resolve("bbr")),)
    ),
    "docker.io/envoyproxy/envoy": LocalProgram(
        entrypoints=frozenset({"/usr/local/bin/envoy", "envoy"}), argv=_envoy
    ),
    "docker.io/istio/pilot": LocalProgram(
        entrypoints=frozenset({PILOT_DISCOVERY, "pilot-discovery"}),
        argv=lambda: (PILOT_DISCOVERY,),
        files=_istiod,
        controls=True,
        # Filters of Istio's own Envoy, which the one below has not. The third makes it read the
        # file above and what its chart says, of which it would take the file alone.
        env={
            "PILOT_ENABLE_METADATA_EXCHANGE": "false",
            "PILOT_ENABLE_ALPN_FILTER": "false",
            "SHARED_MESH_CONFIG": "istio",
        },
    ),
    "docker.io/istio/proxyv2": LocalProgram(
        entrypoints=frozenset({PILOT_AGENT, "pilot-agent"}),
        argv=lambda: (PILOT_AGENT,),
        files=_istio_proxy,
    ),
    "quay.io/prometheus/prometheus": LocalProgram(
        entrypoints=frozenset({PROMETHEUS, "prometheus"}),
        argv=lambda: (PROMETHEUS,),
        files=lambda: {PROMETHEUS: tools.resolve("prometheus")},
    ),
    "ghcr.io/llm-d/llm-d-inference-sim": LocalProgram(
        entrypoints=frozenset({"/app/llm-d-inference-sim", "llm-d-inference-sim"}),
        argv=lambda: (sys.executable, "-m", "simulator", "--host=0.0.0.0"),
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    ),
}
"""Repository of the image -> what runs here in its place, whatever the image's version."""


def trees() -> list[Path]:
    """What the programs need to see of this machine: themselves, and Python."""
    found = [Path(sys.prefix), Path(sys.base_prefix), ROOT / "simulator"]
    for name in ("epp", "bbr"):
        with contextlib.suppress(tools.Missing):
            found.append(tools.resolve(name).resolve().parent)
    return [path for path in found if path.exists() and path != Path("/usr")]


def repository(image: str) -> str:
    """The image's full name, without tag and digest."""
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    name = f"{folder}{slash}{last.partition(':')[0]}"
    registry, slash, _ = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}"
    if "." not in registry and ":" not in registry and registry != "localhost":
        return f"docker.io/{name}"
    return name


def program(image: str, programs: Mapping[str, LocalProgram] = PROGRAMS) -> LocalProgram:
    try:
        return programs[repository(image)]
    except KeyError:
        raise SimulatedError(f"no program of this machine stands for {image}") from None


def controls(images: Iterable[str], programs: Mapping[str, LocalProgram] = PROGRAMS) -> bool:
    """Whether one of these runs even where all else is simulated."""
    found = (programs.get(repository(image)) for image in images)
    return any(one.controls for one in found if one)


def argv(local: LocalProgram, command: Sequence[str], arguments: Sequence[str]) -> tuple[str, ...]:
    """What to run for a container's command and args; SimulatedError for another program."""
    if not command:
        return (*local.argv(), *arguments)
    if command[0] not in local.entrypoints:
        raise SimulatedError(f"`{command[0]}` is not the image's own entrypoint")
    return (*local.argv(), *command[1:], *arguments)
