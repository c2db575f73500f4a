"""Charts of control planes, from where they can be had without the web, and what they know.

A chart that `helm pull` has put below `.state/charts` comes first: it is the very one. Go modules
hold two of them, in the version that is nearest.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import go_modules
import yaml
from recording import ROOT

import tools
from stack.charts import Chart

Values: TypeAlias = Mapping[str, Any]

PULLED = ROOT / ".state" / "charts"
BUILT_IN = "_internal_defaults_do_not_set"
"""Istio's charts keep their defaults below it, so that profiles come between them and a user's."""
RESOURCES: Values = {"requests": {}, "limits": {}, "claims": []}
"""Whatever of them a chart sets by default."""


@dataclass(frozen=True, kw_only=True)
class Module:
    """Of Go, with a chart in it."""

    module: str
    version: str
    path: str
    has: str
    """Version of the chart."""
    placeholders: Mapping[str, str] = field(default_factory=dict[str, str])
    """In `values.tmpl.yaml`, which a release makes `values.yaml` of."""


@dataclass(frozen=True, kw_only=True)
class Freedom:
    """Where a chart's own values do not tell which keys it knows."""

    free: frozenset[str] = frozenset()
    """Dotted keys of what it passes on as it stands."""
    unlisted: frozenset[str] = frozenset()
    """Dotted keys that its templates read, and its values leave out."""
    aliases: frozenset[str] = frozenset()
    """Keys under which all of the chart's own may stand."""


_ISTIO = Module(
    module="istio.io/istio",
    version="v0.0.0-20260827124520-eed52ebb66ad",
    path="manifests/charts",
    has="1.31",
)
MODULES: Mapping[str, Module] = {
    "base": replace(_ISTIO, path=f"{_ISTIO.path}/base"),
    "istiod": replace(_ISTIO, path=f"{_ISTIO.path}/istio-control/istio-discovery"),
    "gateway-helm": Module(
        module="github.com/envoyproxy/gateway",
        version="v1.8.3",
        path="charts/gateway-helm",
        has="v1.8.3",
        placeholders={
            "${GatewayImage}": "docker.io/envoyproxy/gateway:v1.8.3",
            "${GatewayImagePullPolicy}": "IfNotPresent",
        },
    ),
}
FREEDOMS: Mapping[str, Freedom] = {
    "istiod": Freedom(
        free=frozenset({"meshConfig"}),
        unlisted=frozenset({"global.platform"}),  # in templates/zzz_profile.yaml
        aliases=frozenset({"pilot"}),
    ),
    # The configuration file of its controller.
    "gateway-helm": Freedom(free=frozenset({"config.envoyGateway"})),
}


def named(chart: Chart) -> str:
    return PurePosixPath(chart.chart).name


def label(chart: Chart) -> str:
    """The chart, and which version of it there is to look into."""
    here = None if _is_pulled(chart) else MODULES.get(named(chart))
    nearest = f", as {here.has} has it" if here and here.has != chart.version else ""
    return f"{named(chart)} {chart.version}{nearest}"


def pull(chart: Chart) -> str:
    """The command that brings the very chart here, and finds it there the next time."""
    where = f" --repo {chart.repository}" if chart.repository else ""
    version = f"--version {chart.version} --untar --untardir {_pulled(chart).relative_to(ROOT)}"
    return f"helm pull {chart.chart}{where} {version}"


def folder(chart: Chart, copies: Path) -> Path | None:
    """The chart, or the nearest version of it; None where none is to be had."""
    name = named(chart)
    if _is_pulled(chart):
        return _pulled(chart) / name
    module = MODULES.get(name)
    source = go_modules.folder(module.module, module.version) if module else None
    if not module or not source:
        return None
    copied = copies / name
    shutil.copytree(source / module.path, copied, copy_function=shutil.copyfile)
    if module.placeholders:
        text = (copied / "values.tmpl.yaml").read_text()
        for placeholder, value in module.placeholders.items():
            text = text.replace(placeholder, value)
        (copied / "values.yaml").write_text(text)
    return copied


def _pulled(chart: Chart) -> Path:
    return PULLED / chart.version


def _is_pulled(chart: Chart) -> bool:
    return (_pulled(chart) / named(chart)).is_dir()


def render(chart: Chart, folder: Path) -> list[dict[str, Any]]:
    """Its objects, hooks and definitions left out; an error says what helm says."""
    done = subprocess.run(  # noqa: S603 - words of tests
        [
            *(tools.resolve("helm"), "template", chart.name, folder),
            *("--namespace", chart.namespace, "--no-hooks", "--skip-crds", "--values", "-"),
        ],
        input=json.dumps(chart.values),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(done.stderr)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def defaults(folder: Path) -> Values:
    values: Values | None = yaml.safe_load((folder / "values.yaml").read_text())
    return (values or {}).get(BUILT_IN) or values or {}


def unknown_keys(values: Values, known: Values, freedom: Freedom | None = None) -> Iterator[str]:
    """Dotted keys that the chart's own values do not have; helm takes them and does nothing.

    A map that is empty by default takes any: `env`, `annotations`.
    """
    freedom = freedom or Freedom()
    for alias in freedom.aliases & values.keys():
        below = unknown_keys(values[alias], known, freedom)
        yield from (f"{alias}.{key}" for key in below)
    own = {key: value for key, value in values.items() if key not in freedom.aliases}
    found = _unknown(own, known, freedom.free, "")
    yield from (key for key in found if key not in freedom.unlisted)


def _unknown(values: Values, known: Values, free: frozenset[str], above: str) -> Iterator[str]:
    for key, value in values.items():
        path = f"{above}{key}"
        if key not in known:
            yield path
        elif path not in free:
            theirs = RESOURCES if key == "resources" else known[key]
            yield from _unknown_at(path, value, theirs, free)


def _unknown_at(path: str, value: Any, known: Any, free: frozenset[str]) -> Iterator[str]:
    if known is None:
        return  # by default nothing, and what may stand there nobody says
    match value, known:  # where {} is any map
        case {}, {}:
            if known:
                yield from _unknown(value, known, free, f"{path}.")
        case {}, _:
            yield f"{path} (the chart has no map there)"
        case _, {}:
            yield f"{path} (the chart has a map there)"
        case _:
            pass
