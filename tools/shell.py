"""The environment in which `pulumi`, the tests and a person's own shell run."""

import os
import shlex
from pathlib import Path
from urllib.parse import quote

from tools import providers
from tools.errors import Missing
from tools.places import Places, here


def environment() -> dict[str, str]:
    """Give all variables for a program that uses the tools."""
    return dict(os.environ) | changes(here())


def exports(places: Places) -> str:
    """Write the changed variables for a shell to read."""
    return "".join(
        f"export {name}={shlex.quote(value)}\n" for name, value in sorted(changes(places).items())
    )


def changes(places: Places) -> dict[str, str]:
    """Give the variables that differ from what the caller has."""
    if os.pathsep in str(places.root):
        raise Missing(
            str(places.root),
            f"PATH cannot hold a folder with `{os.pathsep}` in its name",
            way_out="move or rename the folder",
        )
    vendor = providers.decide(places).vendor
    changed = {
        "PATH": _path(places, vendor=vendor),
        "VIRTUAL_ENV": str(places.venv),
        "PULUMI_HOME": str(places.pulumi_home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_SUPPRESS_NEO_LINK": "true",
    }
    if not vendor:
        # Fail at once instead of after the retries of a download that cannot work.
        changed["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
        changed["PULUMI_DISABLE_REGISTRY_RESOLVE"] = "true"
    if _backend_is_ours(places):
        places.backend.mkdir(parents=True, exist_ok=True)
        changed["PULUMI_BACKEND_URL"] = _url(places.backend)
        if not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & os.environ.keys():
            # A folder in a clone is for stacks that are thrown away: its secrets are as safe as
            # the clone is. Whoever keeps one sets a passphrase, or a backend.
            changed["PULUMI_CONFIG_PASSPHRASE"] = ""
    return changed


def _path(places: Places, *, vendor: bool) -> str:
    own = [places.venv / "bin", places.links]
    if not vendor:
        own.append(places.stand_ins)
    drop = {str(one) for one in (*own, places.stand_ins)}
    users = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join([*map(str, own), *(entry for entry in users if entry not in drop)])


def _backend_is_ours(places: Places) -> bool:
    """Whether the user has named no backend; the shell of another clone names that clone's."""
    said = os.environ.get("PULUMI_BACKEND_URL", "")
    home = os.environ.get("PULUMI_HOME", "")
    of_a_clone = _url(Path(home).parent / places.backend.name) if home else None
    return not said or said in {_url(places.backend), of_a_clone}


def _url(folder: Path) -> str:
    return f"file://{quote(str(folder))}"
