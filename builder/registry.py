"""What a registry says of an image, whichever engine is here."""

import base64
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from typing import Any

from builder.asked import Image
from tools import Missing

SECONDS = 30.0
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def is_here(name: str) -> bool:
    """Whether it is a registry of this machine, which speaks HTTP as engines expect it to."""
    host = name.partition("/")[0].partition(":")[0]
    return host == "localhost" or host.startswith("127.")


def digest(name: str, username: str | None, password: str | None) -> str | None:
    """By which the registry has the image; None where it has none, or does not tell us.

    Missing where it does not take the password: better told before a build than after it.
    """
    host, _, rest = name.partition("/")
    path, _, tag = rest.rpartition(":")
    scheme = "http" if is_here(name) else "https"
    # Docker Hub answers under another name than the one in images' names.
    at = "registry-1.docker.io" if host == "docker.io" else host
    url = f"{scheme}://{at}/v2/{path}/manifests/{tag}"
    basic = _basic(username, password)
    try:
        found = _ask(url, {})
        if found.status == HTTPStatus.UNAUTHORIZED:
            found = _ask(url, authorization(found.challenge, basic))
            # A token may be refused for an image that is not there; a password is wrong.
            refused = found.status == HTTPStatus.UNAUTHORIZED and "basic" in found.challenge.lower()
        else:
            refused = False
    except urllib.error.HTTPError as error:
        with error:
            refused, found = error.code == HTTPStatus.UNAUTHORIZED, None
    except (OSError, ValueError):
        return None
    if refused and basic:
        raise Missing(
            f"registry {host}",
            f"it does not take the password of `{username}`",
            way_out="`pulumi config set --secret llm-d:registryPassword`, and see that "
            "`images.registry.username` is whose it is",
        )
    if not found or found.status != HTTPStatus.OK or not DIGEST.fullmatch(found.digest):
        return None
    return found.digest


class _Answer:
    def __init__(self, status: int, headers: Message) -> None:
        self.status = status
        self.digest = headers.get("Docker-Content-Digest") or ""
        self.challenge = headers.get("WWW-Authenticate") or ""


def _ask(url: str, headers: Mapping[str, str]) -> _Answer:
    request = urllib.request.Request(  # noqa: S310 - http is for this machine alone
        url, headers={"Accept": MANIFESTS, **headers}, method="HEAD"
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - as above
            return _Answer(answer.status, answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return _Answer(error.code, error.headers)


def authorization(challenge: str, basic: Mapping[str, str]) -> Mapping[str, str]:
    """What a registry wants to see: a token of someone that it names, or the password itself."""
    kind, _, said = challenge.partition(" ")
    if kind.lower() != "bearer":
        return basic
    words = dict(CHALLENGE.findall(said))
    realm = words.pop("realm")
    if not realm.startswith("https://") and not is_here(realm.removeprefix("http://")):
        raise ValueError(realm)
    url = f"{realm}?{urllib.parse.urlencode(words)}"
    request = urllib.request.Request(url, headers=dict(basic))  # noqa: S310 - checked above
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - checked above
        given: dict[str, Any] = json.load(answer)
    return {"Authorization": f"Bearer {given.get('token') or given['access_token']}"}


def _basic(username: str | None, password: str | None) -> dict[str, str]:
    if username is None or password is None:
        return {}
    said = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"Authorization": f"Basic {said}"}


def login(image: Image, password: str | None, folder: Path, users: Path) -> dict[str, str]:
    """Environment in which engines push as the image's user; none where that is the user's own.

    `folder` gets the password, for nobody else to read. `users` is Docker's configuration of the
    user, which goes on to hold but for who is logged in.
    """
    if image.username is None or password is None:
        return {}
    folder.mkdir(mode=0o700)
    said: dict[str, Any] = {}
    if (users / "config.json").is_file():
        said = json.loads((users / "config.json").read_text())
    for key in ("auths", "credsStore", "credHelpers"):
        said.pop(key, None)
    host = image.name.partition("/")[0]
    # Docker Hub is logged in to under the name that it had once.
    hosts = ["docker.io", "https://index.docker.io/v1/"] if host == "docker.io" else [host]
    header = _basic(image.username, password)["Authorization"]
    said["auths"] = {one: {"auth": header.removeprefix("Basic ")} for one in hosts}
    file = folder / "config.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(said))
    for one in users.glob("*") if users.is_dir() else ():
        if one.name != "config.json":
            (folder / one.name).symlink_to(one)
    return {"REGISTRY_AUTH_FILE": str(file), "DOCKER_CONFIG": str(folder)}
