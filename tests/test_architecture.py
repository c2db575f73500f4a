"""Who may import whom, so that each step of the data flow knows only the one before it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from recording import ROOT

STDLIB_ONLY = {"builder", "embedded", "machines", "tools"}
"""Run before there is a virtual environment, or without one."""

ASK_THE_API_SERVER = {"embedded/agent/api.py", "embedded/agent/environment.py"}
"""Of the node agent, which has the virtual environment; what ends it does without."""

LAYERS = {
    "images": {"images"},
    "stack": {"images", "stack"},
    "components": {"components", "embedded", "machines", "stack", "telemetry"},
    "telemetry": {"stack", "telemetry", "tools"},
    "builder": {"builder", "tools"},
    "embedded": {"embedded", "tools"},
    "machines": {"machines", "tools"},
    "tools": {"tools"},
    "plugins": {"plugins"},
    "simulator": {"simulator"},
    "bench": {"bench", "components", "embedded", "stack", "tools"},
    "smoke": {"plugins", "smoke"},
    "preflight": {"components", "preflight", "stack", "tools"},
    "rehearsal": {"components", "embedded", "rehearsal", "stack", "tools"},
}
"""Package -> the packages of this project that it may import."""

THIRD_PARTY = {
    "pulumi",
    "pulumi_kubernetes",
    "pulumi_command",
    "pulumi_gcp",
    "pydantic",
    "pydantic_core",
    "yaml",
}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).glob("**/*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module)


ROOTS = {
    path: {name.split(".")[0] for name in imported(path)}
    for package in LAYERS
    for path in modules(package)
}
"""What each module imports. Read before any test has run: the garbage of one, collected while
Python 3.11 parses, makes that fail (AST constructor recursion depth mismatch)."""


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(
    ("package", "path"),
    [(package, path) for package in LAYERS for path in modules(package)],
    ids=lambda value: label(value) if isinstance(value, Path) else "",
)
def test_a_package_imports_only_what_lies_before_it(package: str, path: Path) -> None:
    assert ROOTS[path] & LAYERS.keys() <= LAYERS[package]


@pytest.mark.parametrize(
    "path", [one for one in modules("stack") if one.name != "load.py"], ids=label
)
def test_a_stack_is_understood_without_pulumi(path: Path) -> None:
    assert not {name for name in ROOTS[path] if name.startswith("pulumi")}


@pytest.mark.parametrize(
    "path",
    [
        one
        for package in sorted(STDLIB_ONLY)
        for one in modules(package)
        if label(one) not in ASK_THE_API_SERVER
    ],
    ids=label,
)
def test_what_runs_on_a_bare_machine_needs_the_standard_library_alone(path: Path) -> None:
    assert not ROOTS[path] & {*THIRD_PARTY, "kubernetes", "urllib3", "grpc", "google"}


def test_a_cluster_and_its_pods_are_ended_without_a_virtual_environment() -> None:
    subprocess.run(
        [sys.executable, "-S", "-c", "import embedded.__main__, embedded.agent.linux"],
        cwd=ROOT,
        check=True,
    )


@pytest.mark.parametrize("path", modules("simulator"), ids=label)
def test_the_simulator_decides_without_a_clock_and_without_a_network(path: Path) -> None:
    outside = {"api.py", "server.py", "serving.py", "__main__.py"}

    assert not ROOTS[path] & THIRD_PARTY
    assert path.name in outside or not ROOTS[path] & {"aiohttp", "asyncio", "socket", "time"}


@pytest.mark.parametrize("path", [*modules("stack"), *modules("components")], ids=label)
def test_the_program_needs_only_the_packages_it_declares(path: Path) -> None:
    assert not ROOTS[path] & {"kubernetes", "pytest", "hypothesis", "grpc"}


def test_the_program_fits_on_a_screen() -> None:
    assert len((ROOT / "__main__.py").read_text().splitlines()) <= 50


def test_components_are_told_what_they_need_and_never_which_stack_it_is() -> None:
    asks = [
        label(path)
        for path in modules("components")
        if "get_stack" in path.read_text() or "pulumi.Config" in path.read_text()
    ]

    assert asks == []


def test_test_files_have_names_of_their_own() -> None:
    """Pytest imports each by its name alone, and a worker that has one refuses another."""
    names = [one.name for one in (ROOT / "tests").glob("**/test_*.py")]

    assert sorted(names) == sorted(set(names))
