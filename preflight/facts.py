"""What was found on a machine: data, in bytes where nothing else is said."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MAC = "Darwin"


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A container engine that answers."""

    version: str
    cpus: int
    memory: int
    """Of the machine that containers run on, which may be a virtual one."""
    is_virtual: bool
    runtimes: frozenset[str] = frozenset()
    root: str | None = None
    """Folder of its images, where that is this machine's."""


@dataclass(frozen=True, kw_only=True)
class Silent:
    """A container engine that is installed, and does not answer."""

    why: str


@dataclass(frozen=True, kw_only=True)
class Virtual:
    """A Podman machine that is there."""

    cpus: int
    memory: int
    """MiB."""
    disk: int
    """GiB."""
    rootful: bool
    state: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    system: str
    """As `uname -s` says: Linux, Darwin."""
    arch: str
    """As Kubernetes calls it: amd64, arm64."""
    cpus: int = 0
    memory: int | None = None
    available: int | None = None
    """Memory that nothing else takes; None where the system does not say."""
    disk: int | None = None
    """Free where containers are kept."""
    instructions: frozenset[str] | None = None
    """Of the CPUs, as Linux calls them; None where they are not known."""
    programs: frozenset[str] = frozenset()
    """Of those asked for, those on PATH."""
    engines: Mapping[str, Engine | Silent] = field(default_factory=dict[str, Engine | Silent])
    """Of those that will do, those on PATH."""
    podman_machine: Virtual | None = None
    busy: frozenset[int] = frozenset()
    """Ports, of those asked for, on which something listens."""
    version: str | None = None
    """Of Kubernetes, as the cluster says."""
    is_there: bool = False
    """Whether the cluster is there, or half of it: what it takes of the machine it has."""
    token: str | None = None
    """What of the stack file has the token for Hugging Face; None where nothing has."""
    wrong: tuple[str, ...] = ()
    """What the kind of cluster says is wrong with this machine."""

    @property
    def is_mac(self) -> bool:
        return self.system == MAC

    @property
    def platform(self) -> str:
        named = {(MAC, "arm64"): "Apple Silicon", (MAC, "amd64"): "Intel Mac"}
        return named.get((self.system, self.arch), f"{self.system} {self.arch}")
