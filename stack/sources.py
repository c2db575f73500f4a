"""Where a model's files come from, as a stack file says it."""

from dataclasses import dataclass
from typing import Protocol

# No segment begins with a dot: a folder stays on its claim.
_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_CLAIM = r"[a-z0-9][-a-z0-9.]*"
PATTERN = (
    rf"^(hf://{_SEGMENT}/{_SEGMENT}"
    rf"|pvc://{_CLAIM}(/{_SEGMENT})+"
    rf"|pvc\+hf://{_CLAIM}(/{_SEGMENT}){{2,}})$"
)


@dataclass(frozen=True, kw_only=True)
class Source:
    repository: str | None
    """On Hugging Face; None where the files are on a claim, however they came there."""
    claim: str | None = None
    """Of a PersistentVolumeClaim; None where every pod downloads its own."""
    folder: str = ""
    """On the claim: of the model's files, or of all that is downloaded to it."""


class Sourced(Protocol):
    """What says where its files come from: a model, or an adapter."""

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str | None: ...


def parse(said: str) -> Source:
    """What a word that matches `PATTERN` means."""
    scheme, _, rest = said.partition("://")
    if scheme == "hf":
        return Source(repository=rest)
    claim, _, path = rest.partition("/")
    if scheme == "pvc":
        return Source(repository=None, claim=claim, folder=path)
    *folders, publisher, name = path.split("/")
    return Source(repository=f"{publisher}/{name}", claim=claim, folder="/".join(folders))


def of(model: Sourced) -> Source:
    """A model's; left out, the repository of its name."""
    return parse(model.source or f"hf://{model.name}")
