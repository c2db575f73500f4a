"""From a kubeconfig to one context of it, or the reason why there is no way to a cluster.

The configuration that was named is the only one looked at, and so is the context: a provider that
was told `context: kind-llm-d` never talks to whatever context happens to be current. The user's own
configuration is read for the context that the provider names, and for no other.

The official client's loader is not used for the choice: it says neither which file lacks what nor
what there is instead, and helm needs the chosen context as a kubeconfig of its own.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from plugins.kubernetes.settings import Settings
from plugins.values import Object

_FILES = frozenset({"certificate-authority", "client-certificate", "client-key", "tokenFile"})


class UnreachableError(Exception):
    """Why no cluster can be talked to; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """One context of a kubeconfig; file names in it are absolute."""

    source: str
    """Where the configuration came from, for messages."""
    context: str
    cluster: Object
    user: Object
    namespace: str | None

    @property
    def server(self) -> str:
        return str(self.cluster.get("server") or "").rstrip("/")

    def kubeconfig(self) -> Object:
        """A kubeconfig with this context and no other."""
        names = {"cluster": self.context, "user": self.context}
        namespace = {"namespace": self.namespace} if self.namespace else {}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": self.context,
            "contexts": [{"name": self.context, "context": {**names, **namespace}}],
            "clusters": [{"name": self.context, "cluster": self.cluster}],
            "users": [{"name": self.context, "user": self.user}],
        }


def resolve(settings: Settings, environment: Mapping[str, str]) -> Access:
    """The context to use; UnreachableError says what is missing where."""
    config, source = _load(settings.kubeconfig, environment)
    if config is None:
        raise UnreachableError(f"there is no kubeconfig at {source}")
    name = settings.context or (config.get("current-context") if settings.kubeconfig else None)
    if not name:
        raise UnreachableError(
            f"{source} has no current context, and the provider names none"
            if settings.kubeconfig
            else f"the provider names neither a kubeconfig nor a context of {source}, and the "
            "current one is never taken"
        )
    context = _section(config, "contexts", "context", name, source)
    user = context.get("user")
    access = Access(
        source=source,
        context=str(name),
        cluster=_section(
            config, "clusters", "cluster", settings.cluster or context.get("cluster"), source
        ),
        user=_section(config, "users", "user", user, source) if user else {},
        namespace=settings.namespace or context.get("namespace"),
    )
    if not access.server:
        raise UnreachableError(f"the cluster of context `{name}` in {source} has no server address")
    return access


def active_cluster(kubeconfig: str, context: str, cluster: str) -> Object | None:
    """What a kubeconfig says of the cluster it leads to; None if it does not say."""
    try:
        config, _ = _load(kubeconfig, {}) if kubeconfig else (None, "")
        if config is None:
            return None
        if not cluster:
            name = context or config.get("current-context")
            cluster = _section(config, "contexts", "context", name, "").get("cluster", "")
        return _section(config, "clusters", "cluster", cluster, "")
    except UnreachableError:
        return None


def is_content(kubeconfig: str) -> bool:
    """Whether it is the configuration itself, not the path of a file."""
    return "\n" in kubeconfig or kubeconfig.lstrip().startswith("{")


def _load(given: str | None, environment: Mapping[str, str]) -> tuple[Object | None, str]:
    """The configuration and where it is from; None if there is no such file."""
    if given is None:
        default = str(Path(environment.get("HOME") or "~").expanduser() / ".kube" / "config")
        return _load_files(environment.get("KUBECONFIG") or default)
    if is_content(given):
        return parse(given, "the provider's kubeconfig", Path.cwd()), "the provider's kubeconfig"
    return _load_files(given)


def _load_files(paths: str) -> tuple[Object | None, str]:
    """One file, or several that are read as one: the first to define a name wins."""
    files = [Path(path).expanduser() for path in paths.split(os.pathsep) if path]
    merged: Object | None = None
    for file in files:
        try:
            text = file.read_text()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise UnreachableError(f"{file} cannot be read: {error}") from error
        merged = _merge(merged or {}, parse(text, str(file), file.parent.absolute()))
    return merged, os.pathsep.join(map(str, files))


def _merge(first: Object, second: Object) -> Object:
    lists: Object = {
        key: [*(first.get(key) or []), *(second.get(key) or [])]
        for key in ("clusters", "users", "contexts")
    }
    return {
        **lists,
        "current-context": first.get("current-context") or second.get("current-context"),
    }


def parse(text: str, source: str, folder: Path) -> Object:
    """A kubeconfig; relative file names in it are relative to `folder`."""
    import yaml  # noqa: PLC0415  # not needed before a provider is configured

    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UnreachableError(f"{source} is not YAML: {str(error).splitlines()[0]}") from error
    if not config:
        raise UnreachableError(f"{source} is empty")
    if not isinstance(config, dict):
        raise UnreachableError(f"{source} is no kubeconfig")
    return {
        key: [_anchored(item, folder) for item in cast("list[Object]", value)]
        if isinstance(value, list)
        else value
        for key, value in cast("Object", config).items()
    }


def _anchored(entry: Object, folder: Path) -> Object:
    """A named entry of a kubeconfig, with the file names in it made absolute."""
    return {
        section: {
            key: str(folder / value) if key in _FILES and value else value
            for key, value in cast("Object", content).items()
        }
        if isinstance(content, dict)
        else content
        for section, content in entry.items()
    }


def _section(config: Object, sections: str, section: str, name: object, source: str) -> Object:
    entries: list[Object] = config.get(sections) or []
    for entry in entries:
        if entry.get("name") == name:
            return entry.get(section) or {}
    known = ", ".join(f"`{entry.get('name')}`" for entry in entries) or "none"
    raise UnreachableError(f"{source} has no {section} `{name}`; it has {known}")
