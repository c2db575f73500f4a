"""The API server's refusals, as one clear line each."""

import re
from typing import Any

from plugins.values import Object, at


class ApiError(Exception):
    """The API server answered with an error."""

    def __init__(self, code: int, body: Object | None = None, text: str = "") -> None:
        """`body` is the server's ``Status``; `text` what it said if that was no Status."""
        status = body or {}
        self.code = code
        self.reason: str = status.get("reason") or ""
        self.message: str = status.get("message") or text or f"HTTP {code}"
        self.details: Object = status.get("details") or {}
        super().__init__(self.message)

    @property
    def not_found(self) -> bool:
        return self.code == 404  # noqa: PLR2004  # HTTP

    @property
    def already_exists(self) -> bool:
        return self.reason == "AlreadyExists"

    @property
    def conflict(self) -> bool:
        return self.code == 409 and self.reason == "Conflict"  # noqa: PLR2004  # HTTP

    @property
    def forbidden(self) -> bool:
        return self.code == 403  # noqa: PLR2004  # HTTP

    @property
    def no_dry_run(self) -> bool:
        return self.code == 400 and "dry run" in self.message  # noqa: PLR2004  # HTTP

    def namespace_missing(self) -> bool:
        return self.not_found and self.details.get("kind") == "namespaces"


class NoSuchKindError(Exception):
    """The API server does not serve a kind: mostly a CRD that is not there (yet)."""


_OTHER_MANAGER = re.compile(r'conflicts? with "(?P<manager>[^"]+)"')


def explain(error: ApiError, what: str) -> str:
    """One line: what was asked for, and why the server refused.

    A conflict names the other field managers and the fields, and says how to decide.
    """
    if not error.conflict or not (causes := _conflicts(error)):
        return f"{what}: {error.message}"
    fields = "; ".join(f"`{field}` belongs to `{manager}`" for manager, field in causes)
    return (
        f"{what}: other field managers own what it would change: {fields}. Leave the field to them "
        "(`ignore_changes`, or drop it), or take it with the annotation "
        '`pulumi.com/patchForce: "true"`'
    )


def _conflicts(error: ApiError) -> list[tuple[str, str]]:
    causes: list[Any] = error.details.get("causes") or []
    return [
        (match["manager"], str(cause.get("field")).lstrip("."))
        for cause in causes
        if at(cause, "reason") == "FieldManagerConflict"
        and (match := _OTHER_MANAGER.search(str(cause.get("message"))))
    ]
