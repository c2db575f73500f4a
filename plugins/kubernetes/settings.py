"""The provider's own options, as the engine passes them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

_PREFIX = "kubernetes:config:"

# What a switch is called in the environment; the option itself comes first.
_SWITCHES = {
    "deleteUnreachable": ("PULUMI_K8S_DELETE_UNREACHABLE", False),
    "enableConfigMapMutable": ("PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE", False),
    "enablePatchForce": ("PULUMI_K8S_ENABLE_PATCH_FORCE", False),
    "enableSecretMutable": ("PULUMI_K8S_ENABLE_SECRET_MUTABLE", False),
    "enableServerSideApply": ("PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY", True),
    "skipUpdateUnreachable": ("PULUMI_K8S_SKIP_UPDATE_UNREACHABLE", False),
    "upsertExistingObjects": ("PULUMI_K8S_UPSERT_EXISTING_OBJECTS", False),
}

NOT_OFFERED = ("renderYamlToDirectory",)
"""Options of the vendor's plugin that change what is made, and that this stand-in cannot honour."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    kubeconfig: str | None
    """A file's path, or the content itself; None means the user's own configuration."""
    context: str | None
    cluster: str | None
    namespace: str | None
    delete_unreachable: bool
    skip_update_unreachable: bool
    patch_force: bool
    upsert: bool
    mutable: frozenset[str]
    """Of ConfigMap and Secret, those whose content may be updated in place."""
    request_seconds: float | None
    """How long one request may take; None leaves it to the defaults of `cluster`."""
    await_all: bool


def read(variables: Mapping[str, str], environment: Mapping[str, str]) -> Settings:
    """Options from the engine's variables; ValueError says which one makes no sense."""
    given = {key.removeprefix(_PREFIX): value for key, value in variables.items()}

    def switch(name: str) -> bool:
        variable, default = _SWITCHES[name]
        value = given.get(name, environment.get(variable))
        return default if value is None else value.lower() == "true"

    for name in NOT_OFFERED:
        if given.get(name):
            raise ValueError(
                f"`{name}` is not offered by this stand-in for the vendor's Kubernetes plugin"
            )
    if not switch("enableServerSideApply"):
        raise ValueError(
            "`enableServerSideApply: false` is not offered by this stand-in for the vendor's "
            "Kubernetes plugin: it always applies on the server"
        )
    mutable = {
        kind
        for kind, name in (
            ("ConfigMap", "enableConfigMapMutable"),
            ("Secret", "enableSecretMutable"),
        )
        if switch(name)
    }
    return Settings(
        kubeconfig=given.get("kubeconfig") or None,
        context=given.get("context") or None,
        cluster=given.get("cluster") or None,
        namespace=given.get("namespace") or None,
        delete_unreachable=switch("deleteUnreachable"),
        skip_update_unreachable=switch("skipUpdateUnreachable"),
        patch_force=switch("enablePatchForce"),
        upsert=switch("upsertExistingObjects"),
        mutable=frozenset(mutable),
        request_seconds=_request_seconds(given, environment),
        await_all=environment.get("PULUMI_K8S_AWAIT_ALL") == "true",
    )


def _request_seconds(given: Mapping[str, str], environment: Mapping[str, str]) -> float | None:
    client = _parsed(given.get("kubeClientSettings", "{}"))
    value = client.get("timeout") or environment.get("PULUMI_K8S_CLIENT_TIMEOUT")
    try:
        return float(value) if value else None
    except (TypeError, ValueError):
        raise ValueError(
            f"`kubeClientSettings.timeout` is `{value}`, expected a number of seconds"
        ) from None


def _parsed(text: str) -> dict[str, Any]:
    """Options that are objects arrive as JSON."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"`kubeClientSettings` is `{text}`, expected an object")  # noqa: TRY004
    return cast("dict[str, Any]", value)
