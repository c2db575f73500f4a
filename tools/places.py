"""Where things lie: this clone's own folder, and the cache that all clones share."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """The two roots; everything else follows from them."""

    root: Path
    """The clone."""
    cache: Path
    """Shared by all clones of a user; may be deleted at any time."""

    @property
    def go_modules(self) -> Path:
        return self.root / "tools" / "go"

    @property
    def state(self) -> Path:
        return self.root / ".state"

    @property
    def links(self) -> Path:
        """One link per tool: what goes on PATH."""
        return self.state / "bin"

    @property
    def records(self) -> Path:
        return self.state / "tools.json"

    @property
    def provider_memory(self) -> Path:
        return self.state / "providers.json"

    @property
    def pulumi_home(self) -> Path:
        return self.state / "pulumi"

    @property
    def backend(self) -> Path:
        return self.state / "backend"

    @property
    def stand_ins(self) -> Path:
        """This project's own provider plugins."""
        return self.root / "plugins" / "bin"

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def store(self) -> Path:
        return self.cache / "tools"

    @property
    def lock(self) -> Path:
        return self.cache / "lock"


def here() -> Places:
    """Places of the clone this file lies in."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says that a relative path is to be ignored.
    cache = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return Places(root=Path(__file__).resolve().parent.parent, cache=cache / "llm-d-pulumi")


def offline() -> bool:
    """Whether the user forbids asking vendors."""
    return os.environ.get("LLMD_TOOLS_OFFLINE", "") not in {"", "0"}
