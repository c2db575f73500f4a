"""Puts every program this project needs in place, and says where each one lies.

    python3 -m tools install | doctor | env | run -- COMMAND | up | preview | down | logs | clean

Standard library only: this package runs before there is a virtual environment. What is pinned
stands in `go/*/go.mod`; how each tool is found, downloaded or built stands in `catalog.py`.

    catalog ----> search (on PATH?) ----> store (had before?) ----> vendor, gobuild ----> records
     what          suitable as it is       content-addressed         download or build     where

Environment variables that change what happens:
    XDG_CACHE_HOME         where built and downloaded tools are kept (default ~/.cache)
    LLMD_TOOLS_OFFLINE=1   ask no vendor: build what is not installed, use the stand-in providers
    LLMD_TOOLS_DEBUG=1     show where an unexpected error came from
"""

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the one file an old Python gets to read
    sys.exit(
        "tools: Python 3.11 or newer is needed, and this is %s (%s)\n"  # noqa: UP031
        "  way out: install one and name it: make PYTHON=python3.13"
        % (sys.version.split()[0], sys.executable)
    )
if os.name != "posix":
    sys.exit("tools: this runs on Linux and macOS\n  way out: on Windows use WSL 2")

from tools.errors import Missing
from tools.records import resolve
from tools.shell import environment

__all__ = ["Missing", "environment", "resolve"]
