"""Kubernetes objects as flat facts, so that those of different authors can be laid side by side.

`{"Deployment decode": {"replicas": 8, …}, "Deployment decode, server": {"--port": "8000", …}}`:
containers and files stand beside what they are in, entries of lists under what names them, volumes
where they are mounted; what the API server fills in by itself is left out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

import yaml

Object: TypeAlias = Mapping[str, Any]
Facts: TypeAlias = dict[str, dict[str, Any]]
"""Object -> field -> value."""

SERVERS = {"vllm", "modelserver"}
"""What the container of a model server is called."""
UNSAID = {"app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"}
"""Labels that say which chart of which version made an object."""
WAITS = "pulumi.com/waitFor"
DEFAULTS: Mapping[str, Any] = {
    "failureThreshold": 3,
    "periodSeconds": 10,
    "protocol": "TCP",
    "scheme": "HTTP",
    "successThreshold": 1,
    "timeoutSeconds": 1,
}
"""Fields, by their last name, whose value the API server fills in."""


def facts(objects: Sequence[Object], *, postfix: str, namespace: str) -> Facts:
    """Facts of all objects; the stack's own names in them are $POSTFIX and $NAMESPACE."""
    found: Facts = {}
    for one in objects:
        plain = _renamed(one, postfix, namespace)
        found[title(plain)] = dict(_flat(plain))
        data: Mapping[str, str] = one.get("data") or {}
        for file, text in data.items():
            content = yaml.safe_load(_renamed(text, postfix, namespace))
            found[f"{title(plain)}, file {file}"] = dict(_walk(content, ""))
        for name, fields in _containers(plain):
            found[f"{title(plain)}, {name}"] = dict(fields)
    return found


def title(one: Object) -> str:
    """Kind and name, less what every name of a stack begins and ends with."""
    name = str(one["metadata"]["name"])
    for long, short in (
        ("ms-$POSTFIX-llm-d-modelservice-", ""),
        ("ms-$POSTFIX-llm-d-modelservice", "servers"),
        ("gaie-$POSTFIX-$NAMESPACE-epp", "picker"),
        ("gaie-$POSTFIX-epp", "picker"),
        ("gaie-$POSTFIX", "pool"),
        ("infra-$POSTFIX-inference-gateway", "gateway"),
        ("llm-d-$POSTFIX", "route"),
        ("$NAMESPACE", "route"),
    ):
        name = name.replace(long, short)
    return f"{one['kind']} {name}"


def _renamed(value: Any, postfix: str, namespace: str) -> Any:
    if isinstance(value, str):
        # An image and a label's value may read the same.
        value = re.sub(f"(?<!/){namespace}", "$NAMESPACE", value)
        return re.sub(f"(?<=-){postfix}", "$POSTFIX", value)
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {key: _renamed(inner, postfix, namespace) for key, inner in items}
    if isinstance(value, list):
        return [_renamed(inner, postfix, namespace) for inner in cast("list[Any]", value)]
    return value


def _flat(one: Object) -> Iterator[tuple[str, Any]]:
    if one["kind"] in {"Role", "ClusterRole"}:
        yield from _rules(one["rules"])
        return
    metadata = one["metadata"]
    for kind in ("labels", "annotations"):
        said: Mapping[str, str] = metadata.get(kind) or {}
        for key, value in said.items():
            if key not in UNSAID:
                yield f"{kind[:-1]} {key}", _conditions(value) if key == WAITS else value
    apart = {"apiVersion", "kind", "metadata", "data", "spec"}
    beside = {key: one[key] for key in one if key not in apart}
    spec: Object = one.get("spec", {})
    yield "apiVersion", one["apiVersion"]
    if pod := _pod(one):
        spec = {**spec, "template": {"metadata": spec["template"]["metadata"]}}
        shown = {"containers", "initContainers", "volumes"}
        yield from _walk({key: value for key, value in pod.items() if key not in shown}, "pod")
    yield from _walk({**beside, **spec}, "")


def _conditions(waits: str) -> str:
    """Those that are waited for; whose they have to be is left out."""
    return " ".join(re.findall(r"(?:condition=|\.type==')(\w+)", waits))


def _rules(rules: Sequence[Object]) -> Iterator[tuple[str, Any]]:
    for rule in rules:
        verbs = ", ".join(sorted(rule["verbs"]))
        for path in rule.get("nonResourceURLs", ()):
            yield f"may {path}", verbs
        for group in rule.get("apiGroups", ()):
            for resource in rule.get("resources", ()):
                yield f"may {resource}" + (f".{group}" if group else ""), verbs


def _pod(one: Object) -> Object:
    return one.get("spec", {}).get("template", {}).get("spec", {})


def _containers(one: Object) -> Iterator[tuple[str, Iterator[tuple[str, Any]]]]:
    pod = _pod(one)
    volumes = {volume["name"]: _volume(volume) for volume in pod.get("volumes", ())}
    for container in (*pod.get("initContainers", ()), *pod.get("containers", ())):
        name = "server" if container["name"] in SERVERS else str(container["name"])
        yield name, _container(container, volumes)


def _container(one: Object, volumes: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    yield "name", one["name"]
    yield "command", " ".join(one.get("command", ()))
    yield from _arguments(one.get("args", ()))
    for variable in one.get("env", ()):
        source = variable.get("valueFrom", {})
        value = variable.get("value")
        for kind, of in source.items():
            value = f"{kind} {_words(of)}"
        yield f"env {variable['name']}", value
    for mount in one.get("volumeMounts", ()):
        read = " read-only" if mount.get("readOnly") else ""
        yield f"mount {mount['mountPath'].rstrip('/')}", volumes[mount["name"]] + read
    named = {str(port["containerPort"]): port.get("name", "") for port in one.get("ports", ())}
    yield from ((f"port {port}", name) for port, name in named.items())
    apart = {"name", "command", "args", "env", "volumeMounts", "ports"}
    for path, value in _walk({key: one[key] for key in one if key not in apart}, ""):
        # A probe asks one port, whether by its name or its number.
        [port] = [number for number, name in named.items() if name == value] or [str(value)]
        yield path, int(port) if path.endswith("httpGet.port") else value


def _arguments(args: Sequence[str]) -> Iterator[tuple[str, str]]:
    """`--flag value` and `--flag=value` alike; the first word is the model where it is no flag."""
    rest = [str(one) for one in args]
    if rest and not rest[0].startswith("-"):
        rest.insert(0, "--model")
    while rest:
        flag, given, value = rest.pop(0).partition("=")
        if not given and rest and not rest[0].startswith("-"):
            value = rest.pop(0)
        # vLLM takes its flags with either.
        yield f"--{flag.strip('-').replace('_', '-')}", value


def _volume(one: Object) -> str:
    [(kind, said)] = ((key, value) for key, value in one.items() if key != "name")
    # Where it is mounted says whether it is read alone.
    rest = {key: value for key, value in said.items() if key != "readOnly"}
    return f"{kind} {_words(rest)}".strip()


def _words(said: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(said.items()))


def _walk(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            if key not in UNSAID and not (key in DEFAULTS and inner == DEFAULTS[key]):
                yield from _walk(inner, f"{at}.{key}" if at else key)
    elif isinstance(value, list):
        entries = cast("list[Any]", value)
        if any(isinstance(one, dict) for one in entries):
            for index, one in enumerate(entries):
                name, rest = _entry(one, index)
                yield from _walk(rest, f"{at}[{name}]")
        elif entries:
            yield at, " ".join(map(str, entries))
    elif value is not None:
        yield at, "a digest" if re.fullmatch("[0-9a-f]{64}", str(value)) else value


def _entry(one: Mapping[str, Any], index: int) -> tuple[str, Any]:
    """What tells an entry apart, its own name rather than its place; and the rest of it."""
    for key in ("name", "pluginRef", "type", "key", "number", "port"):
        if key in one:
            # A Service's port leads to the same port of its pods, unless it says another.
            same = {key, *(["targetPort"] if one.get("targetPort") == one.get("port") else [])}
            rest = {other: value for other, value in one.items() if other not in same}
            return str(one[key]), rest or ""
    return str(index), one
