"""Where a chart comes from, and how it gets here."""

import tarfile
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from plugins.kubernetes.helm import Helm, HelmError
from plugins.values import Object, at

OCI = "oci://"
_ALIAS = "private"
"""What a repository with a password is called in helm's private configuration."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart as the program names it."""

    reference: str
    """A path, an oci:// address, `alias/name`, or a name in the repository at `url`."""
    url: str = ""
    version: str = ""
    devel: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    tls: tuple[str, ...] = ()

    @property
    def path(self) -> Path | None:
        """The chart's path, if it is on this machine or can only be meant to be."""
        path = Path(self.reference)
        if self.url or self.reference.startswith(OCI):
            return None
        there = (path / "Chart.yaml").exists() if path.is_dir() else path.exists()
        meant = self.reference.startswith((".", "/")) or self.reference.endswith(".tgz")
        return path if there or meant else None

    def __str__(self) -> str:
        version = f" {self.version}" if self.version else ""
        return f"chart `{self.reference}`{version}" + (f" of {self.url}" if self.url else "")


def named(inputs: Object) -> Chart:
    """The chart that a release asks for; `repositoryOpts.repo` may be an address or an alias."""
    options: Object = inputs.get("repositoryOpts") or {}
    reference, repository = str(inputs["chart"]).strip(), str(options.get("repo") or "")
    url = ""
    if not reference.startswith(OCI) and repository:
        if "://" in repository:
            url = repository
        elif "/" not in reference:
            reference = f"{repository}/{reference}"
    return Chart(
        reference=reference,
        url=url,
        version=str(inputs.get("version") or ""),
        devel=bool(inputs.get("devel")),
        username=str(options.get("username") or ""),
        password=str(options.get("password") or ""),
        tls=tuple(
            f"--{flag}={options[key]}"
            for key, flag in (
                ("caFile", "ca-file"),
                ("certFile", "cert-file"),
                ("keyFile", "key-file"),
            )
            if options.get(key)
        ),
    )


def version_at(path: Path) -> str | None:
    """What a local chart's Chart.yaml says; None where there is no such chart."""
    try:
        text = (path / "Chart.yaml").read_bytes() if path.is_dir() else _from_archive(path)
        version: Any = at(yaml.safe_load(text), "version")
    except (OSError, tarfile.TarError, KeyError, yaml.YAMLError):
        return None
    return str(version) if version else None


def _from_archive(path: Path) -> bytes:
    with tarfile.open(path) as archive:
        for member in archive:
            parts = PurePosixPath(member.name).parts
            if len(parts) == 2 and parts[1] == "Chart.yaml":  # noqa: PLR2004 -- chart/Chart.yaml
                file = archive.extractfile(member)
                return file.read() if file else b""
    raise KeyError("Chart.yaml")


async def fetch(helm: Helm, chart: Chart) -> str:
    """A path to the chart on this machine; HelmError says what to do without its repository."""
    if (path := chart.path) is not None:
        return str(path)
    try:
        return await _download(helm, chart)
    except HelmError as error:
        raise HelmError(
            f"{chart} cannot be had: {error}. Make its repository reachable, or `helm pull` it on "
            "a machine that reaches it and set `chart` to the path of the .tgz, from Pulumi.yaml on"
        ) from error


async def _download(helm: Helm, chart: Chart) -> str:
    reference, repository = chart.reference, [f"--repo={chart.url}"] if chart.url else []
    if chart.password:
        helm = replace(helm, environment={**helm.environment, **private(helm.folder)})
        await helm.run(*login(chart), stdin=chart.password.encode())
        if chart.url:
            reference, repository = f"{_ALIAS}/{chart.reference}", []
    helm.say(f"downloading {chart}")
    await helm.run(
        "pull",
        f"--destination={helm.folder}",
        *repository,
        *([f"--version={chart.version}"] if chart.version else []),
        *(["--devel"] if chart.devel else []),
        *chart.tls,
        "--",
        reference,
    )
    (archive,) = helm.folder.glob("*.tgz")
    return str(archive)


def login(chart: Chart) -> list[str]:
    """Arguments that take the password of a registry or a repository from stdin."""
    command, where = ["repo", "add"], [_ALIAS, chart.url]
    if not chart.url:
        command, where = ["registry", "login"], [chart.reference.removeprefix(OCI).split("/")[0]]
    return [
        *command,
        f"--username={chart.username}",
        "--password-stdin",
        *chart.tls,
        "--",
        *where,
    ]


def private(folder: Path) -> dict[str, str]:
    """So that a password is not left in the user's own configuration of helm."""
    return {
        "HELM_REGISTRY_CONFIG": str(folder / "registry.json"),
        "HELM_REPOSITORY_CONFIG": str(folder / "repositories.yaml"),
        "HELM_REPOSITORY_CACHE": str(folder / "repositories"),
    }
