"""What a program may say of a Release: what is wrong with it, and what it means to helm.

Pure but for reading files that the program names.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pulumi
import yaml
from pulumi.provider.experimental.property_value import PropertyValue

from plugins.kubernetes import charts
from plugins.values import Object, PropertyMap, has_unknown, plain, typed

DEFAULT_SECONDS = 300
REPLACING = frozenset({"name", "namespace"})
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_LONGEST_NAME = 53  # helm's: it makes names of objects from it

_SWITCHES = {
    "atomic": "--atomic",
    "createNamespace": "--create-namespace",
    "dependencyUpdate": "--dependency-update",
    "disableOpenapiValidation": "--disable-openapi-validation",
    "disableWebhooks": "--no-hooks",
    "renderSubchartNotes": "--render-subchart-notes",
    "skipCrds": "--skip-crds",
    "takeOwnership": "--take-ownership",
    "waitForJobs": "--wait-for-jobs",
}
_INSTALL_SWITCHES = {"replace": "--replace"}
_UPGRADE_SWITCHES = {
    "cleanupOnFail": "--cleanup-on-fail",
    "forceUpdate": "--force",
    "reuseValues": "--reuse-values",
}
_IGNORED = frozenset(
    {"allowNullValues", "compat", "lint", "manifest", "resetValues", "resourceNames"}
)
"""Say nothing to helm: of no effect, or what it does anyway."""
_REFUSED = frozenset({"disableCRDHooks", "keyring", "postrender", "recreatePods", "verify"})

_KINDS: dict[str, tuple[type, str]] = {
    **dict.fromkeys(
        (*_SWITCHES, *_INSTALL_SWITCHES, *_UPGRADE_SWITCHES, "devel", "skipAwait"),
        (bool, "true or false"),
    ),
    **dict.fromkeys(("chart", "name", "namespace", "version", "description"), (str, "a text")),
    **dict.fromkeys(("timeout", "maxHistory"), (int, "a whole number")),
    **dict.fromkeys(("values", "repositoryOpts"), (dict, "a mapping")),
    "valueYamlFiles": (list, "a list of files"),
}


def problems(inputs: PropertyMap) -> Iterator[tuple[str, str]]:
    """Each input that is wrong and why; what a preview does not know yet is taken on trust."""
    given = plain(inputs)
    for key, value in given.items():
        if value is None or has_unknown(value) or key in _IGNORED:
            continue
        if key not in _KINDS:
            yield key, "is not offered by this stand-in for the vendor's Kubernetes plugin"
        elif not isinstance(value, _KINDS[key][0]):
            yield key, f"expected {_KINDS[key][1]}"
    yield from _name_problems(given)
    chart = given.get("chart")
    if not chart:
        yield "chart", "is missing: a path, an oci:// address, or a name in `repositoryOpts.repo`"
    elif isinstance(chart, str) and not has_unknown(given.get("repositoryOpts")):
        path = charts.named(given).path
        if path is not None and charts.version_at(path) is None:
            yield "chart", f"there is no chart at `{path}`, seen from {Path.cwd()}"


def _name_problems(given: Object) -> Iterator[tuple[str, str]]:
    for key in sorted(REPLACING):
        value = given.get(key)
        if (
            isinstance(value, str)
            and value
            and (len(value) > _LONGEST_NAME or not _NAME.fullmatch(value))
        ):
            yield (
                key,
                (
                    f"is `{value}`, expected at most {_LONGEST_NAME} lowercase letters, digits, "
                    "`-` and `.`, with a letter or digit at both ends"
                ),
            )


def completed(inputs: PropertyMap, *, name: str, namespace: str) -> PropertyMap:
    """Inputs with the vendor's defaults; what files say of the values is part of the values.

    A local chart's version is written down, so that a newer one is a difference.
    """
    given = {key: value for key, value in inputs.items() if value.value is not None}
    files = given.pop("valueYamlFiles", PropertyValue([]))
    given.pop("resourceNames", None)
    if isinstance(files.value, Sequence) and files.value:
        merged: PropertyMap = {}
        for file in cast("Sequence[PropertyValue]", files.value):
            merged = _merged(merged, typed(_content(file.value)))
        own = given.get("values", PropertyValue({}))
        secret = files.contains_secret() or own.is_secret
        items = cast("Mapping[str, PropertyValue]", own.value)
        given["values"] = PropertyValue(_merged(merged, items), is_secret=secret)
    defaults: PropertyMap = {"name": PropertyValue(name), "namespace": PropertyValue(namespace)}
    if plain(given).get("skipAwait") is not True:
        defaults["timeout"] = PropertyValue(float(DEFAULT_SECONDS))
    known = plain(given)
    if isinstance(known.get("chart"), str) and not has_unknown(known.get("repositoryOpts")):
        path = charts.named(known).path
        if path is not None and (version := charts.version_at(path)):
            given["version"] = PropertyValue(version)
    unnamed = {key for key in REPLACING if known.get(key) == ""}
    return {**defaults, **{key: given[key] for key in given.keys() - unnamed}}


def _merged(below: Mapping[str, PropertyValue], above: Mapping[str, PropertyValue]) -> PropertyMap:
    """As helm merges values: mappings by key, anything else as a whole."""
    both = dict(below)
    for key, value in above.items():
        old = both.get(key)
        if old is not None and isinstance(old.value, Mapping) and isinstance(value.value, Mapping):
            secret = old.is_secret or value.is_secret
            both[key] = PropertyValue(_merged(old.value, value.value), is_secret=secret)
        else:
            both[key] = value
    return both


def _content(file: object) -> Object:
    """The values in a file; ValueError for what holds none."""
    if isinstance(file, pulumi.FileAsset):
        text = Path(str(file.path)).read_text()
    elif isinstance(file, pulumi.StringAsset):
        text = file.text
    else:
        raise ValueError("`valueYamlFiles` may hold FileAsset and StringAsset only")  # noqa: TRY004
    values: Any = yaml.safe_load(text) or {}
    if not isinstance(values, dict):
        raise ValueError("a file of `valueYamlFiles` is not a mapping")  # noqa: TRY004
    return cast("Object", values)


def install(inputs: Object, chart: str) -> list[str]:
    """Arguments of helm that make the release; values are expected on stdin."""
    return ["install", *_switches(inputs, _SWITCHES | _INSTALL_SWITCHES), *_common(inputs, chart)]


def upgrade(inputs: Object, chart: str) -> list[str]:
    """Arguments of helm that change the release, or make it again where it has gone."""
    reset = [] if inputs.get("reuseValues") else ["--reset-values"]
    history = inputs.get("maxHistory")
    return [
        "upgrade",
        "--install",
        *reset,
        *([f"--history-max={history}"] if history is not None else []),
        *_switches(inputs, _SWITCHES | _UPGRADE_SWITCHES),
        *_common(inputs, chart),
    ]


def uninstall(inputs: Object) -> list[str]:
    """Arguments of helm that remove the release, whether it is there or not."""
    waits = inputs.get("atomic") or not inputs.get("skipAwait")
    return [
        "uninstall",
        "--ignore-not-found",
        *(["--wait", *_timeout(inputs)] if waits else []),
        *(["--no-hooks"] if inputs.get("disableWebhooks") else []),
        *_which(inputs),
    ]


def rollback(inputs: Object) -> list[str]:
    """Arguments of helm that lead back from an interrupted upgrade."""
    return ["rollback", *_timeout(inputs), *_which(inputs)]


def _common(inputs: Object, chart: str) -> list[str]:
    description = inputs.get("description")
    return [
        *([] if inputs.get("skipAwait") else ["--wait"]),
        *_timeout(inputs),
        *([f"--description={description}"] if description else []),
        "--values=-",
        "--output=json",
        *_which(inputs),
        chart,
    ]


def _which(inputs: Object) -> list[str]:
    return [f"--namespace={inputs['namespace']}", "--", str(inputs["name"])]


def _timeout(inputs: Object) -> list[str]:
    return [f"--timeout={inputs.get('timeout') or DEFAULT_SECONDS}s"]


def _switches(inputs: Object, table: Mapping[str, str]) -> list[str]:
    return [flag for key, flag in table.items() if inputs.get(key)]


def difference(old: PropertyMap, new: PropertyMap) -> dict[str, bool]:
    """Inputs that changed, and whether each makes another release of it."""
    before, after = plain(old), plain(new)
    keys = [key for key in {**before, **after} if key not in _IGNORED]
    return {key: key in REPLACING for key in keys if before.get(key) != after.get(key)}


def resource_names(manifest: str) -> Object:
    """Names of the objects in a manifest, by `Kind.group/version` as the vendor writes it."""
    names: dict[str, set[str]] = {}
    for document in yaml.load_all(manifest, Loader=_LOADER):
        if not isinstance(document, dict) or "kind" not in document:
            continue
        obj = cast("dict[str, Any]", document)
        version, metadata = str(obj["apiVersion"]), cast("Object", obj.get("metadata") or {})
        group = version.rpartition("/")[0]
        key = f"{obj['kind']}{'.' if group else ''}{group}/{version}"
        prefix = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
        names.setdefault(key, set()).add(f"{prefix}{metadata.get('name')}")
    return {key: sorted(found) for key, found in sorted(names.items())}


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
