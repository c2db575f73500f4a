"""What is read off a machine: its files, and what its tools say to exact questions."""

import json
import platform
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from preflight import look
from preflight.facts import MAC, Engine, Silent, Virtual
from stack.machine import Address, MachineNeeds, PodmanMachine
from tests.preflight.recorders import Recorders

ENGINES = {"podman": "4.9.0", "docker": "18.9.0"}
MACHINE = PodmanMachine(name="podman-machine-default", cpus=10, memory=28672, disk=120)
HERE = MachineNeeds(tools=("kind", "kubectl"), engines=ENGINES, podman_machine=MACHINE)

DOCKER: dict[str, Any] = {
    "ServerVersion": "28.5.1",
    "NCPU": 8,
    "MemTotal": 2**34,
    "Runtimes": {"nvidia": {}},
}
PODMAN: dict[str, Any] = {
    "host": {"cpus": 8, "memTotal": 2**34, "serviceIsRemote": False},
    "store": {"graphRoot": "/"},
    "version": {"Version": "5.7.0"},
}
# As Podman 5 has it.
INSPECTED: list[dict[str, Any]] = [
    {
        "Name": "podman-machine-default",
        "Resources": {"CPUs": 4, "DiskSize": 100, "Memory": 2048, "USBs": []},
        "State": "running",
        "Rootful": True,
    }
]
SYSCTL = """hw.memsize: 38654705664
hw.logicalcpu: 12
hw.optional.arm64: 1
hw.optional.avx512f: 0
sysctl: unknown oid 'hw.optional.more'"""


def linux(monkeypatch: pytest.MonkeyPatch, machine: str = "x86_64") -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: machine)


def mac(monkeypatch: pytest.MonkeyPatch, machine: str = "arm64") -> None:
    monkeypatch.setattr(platform, "system", lambda: MAC)
    monkeypatch.setattr(platform, "machine", lambda: machine)


def proc(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_engines_are_asked_in_exact_words(
    recorders: Recorders, monkeypatch: pytest.MonkeyPatch
) -> None:
    linux(monkeypatch)
    recorders.has("docker", json.dumps(DOCKER))
    recorders.has("podman", json.dumps(PODMAN, indent=2))

    found = look.look(HERE, is_there=False)

    assert found.engines == {
        "docker": Engine(
            version="28.5.1",
            cpus=8,
            memory=2**34,
            is_virtual=False,
            runtimes=frozenset({"nvidia"}),
        ),
        "podman": Engine(version="5.7.0", cpus=8, memory=2**34, is_virtual=False, root="/"),
    }
    assert recorders.called() == [
        "docker <info> <--format> <{{json .}}>",
        "podman <info> <--format> <json>",
    ]


def test_on_a_mac_its_own_figures_and_podman_s_machine_are_asked_for(
    recorders: Recorders, monkeypatch: pytest.MonkeyPatch
) -> None:
    mac(monkeypatch)
    recorders.has("sysctl", SYSCTL, code=1)
    recorders.has(
        "podman",
        json.dumps(PODMAN),
        first=f"[ $1 = machine ] && printf %s '{json.dumps(INSPECTED, indent=1)}' && exit",
    )

    found = look.look(HERE, is_there=False)

    assert (found.platform, found.cpus, found.memory) == ("Apple Silicon", 12, 36 * 2**30)
    assert found.instructions == {"arm64"}
    assert found.podman_machine == Virtual(
        cpus=4, memory=2048, disk=100, rootful=True, state="running"
    )
    assert recorders.called() == [
        "podman <info> <--format> <json>",
        "podman <machine> <inspect> <--> <podman-machine-default>",
        "sysctl <hw.memsize> <hw.logicalcpu> <hw.optional>",
    ]


def test_a_python_that_is_translated_is_on_apple_silicon_all_the_same(
    recorders: Recorders, monkeypatch: pytest.MonkeyPatch
) -> None:
    mac(monkeypatch, "x86_64")
    recorders.has("sysctl", SYSCTL)

    assert look.look(HERE, is_there=False).platform == "Apple Silicon"


def test_an_intel_mac_says_what_its_cpu_has(
    recorders: Recorders, monkeypatch: pytest.MonkeyPatch
) -> None:
    mac(monkeypatch, "x86_64")
    recorders.has("sysctl", "hw.memsize: 17179869184\nhw.optional.avx512f: 1")

    found = look.look(HERE, is_there=False)

    assert (found.platform, found.instructions) == ("Intel Mac", {"avx512f"})


@pytest.mark.parametrize(
    ("machine", "cpuinfo", "arch", "instructions"),
    [
        ("x86_64", "flags\t\t: fpu avx512f\nflags\t\t: fpu\n", "amd64", {"fpu", "avx512f"}),
        ("aarch64", "Features\t: asimd bf16\n", "arm64", {"asimd", "bf16"}),
        ("riscv64", "isa\t: rv64imafdc\n", "riscv64", None),
    ],
)
def test_linux_has_it_in_files(
    machine: str,
    cpuinfo: str,
    arch: str,
    instructions: set[str] | None,
    tmp_path: Path,
    recorders: Recorders,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    linux(monkeypatch, machine)
    meminfo = "MemTotal:       24684084 kB\nMemAvailable:   20000000 kB\nHugePages_Total:  0\n"
    files = proc(tmp_path / "proc", meminfo=meminfo, cpuinfo=cpuinfo)

    found = look.look(HERE, is_there=False, proc=files)

    assert (found.arch, found.instructions) == (arch, instructions)
    assert (found.memory, found.available) == (24684084 * 1024, 20000000 * 1024)
    assert recorders.called() == []


@pytest.mark.usefixtures("recorders")
def test_nothing_that_is_missing_is_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linux(monkeypatch)
    everything = MachineNeeds(
        tools=("kind",),
        engines=ENGINES,
        podman_machine=MACHINE,
        asks=Address(kubeconfig=None, context="c"),
    )

    found = look.look(everything, is_there=False, proc=tmp_path / "nowhere")

    assert (found.engines, found.programs, found.version) == ({}, frozenset(), None)
    assert (found.memory, found.instructions) == (None, None)
    mac(monkeypatch)
    assert look.look(everything, is_there=False).memory is None


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("", "it says nothing"),
        ("Cannot connect to the Docker daemon", "Cannot connect to the Docker daemon"),
        ("{half", "{half"),
        ("[1]", "[1]"),
        ("[]", "[]"),
        (
            json.dumps({"ServerVersion": "", "ServerErrors": ["permission denied"]}),
            "permission denied",
        ),
        (f"{json.dumps({'ServerVersion': ''})}\nIs the daemon running?", "its daemon does not"),
    ],
)
def test_an_engine_that_does_not_answer_is_silent_in_its_own_words(
    says: str, why: str, recorders: Recorders, monkeypatch: pytest.MonkeyPatch
) -> None:
    linux(monkeypatch)
    recorders.has("docker", says, code=1)

    [(_, engine)] = look.look(HERE, is_there=False).engines.items()

    assert isinstance(engine, Silent)
    assert engine.why.startswith(why)


def test_a_warning_beside_an_answer_is_no_part_of_it(
    recorders: Recorders, monkeypatch: pytest.MonkeyPatch
) -> None:
    linux(monkeypatch)
    recorders.has("podman", f"WARN[0000] cgroups\n{json.dumps(PODMAN, indent=1)}\nbye")

    assert isinstance(look.look(HERE, is_there=False).engines["podman"], Engine)


def test_an_engine_that_hangs_is_ended(
    recorders: Recorders, monkeypatch: pytest.MonkeyPatch
) -> None:
    linux(monkeypatch)
    monkeypatch.setattr(look, "SECONDS", 0.4)
    recorders.has("docker", first="/bin/sleep 60 & wait")
    began = time.monotonic()

    found = look.look(HERE, is_there=False)

    assert found.engines["docker"] == Silent(why="no answer within 0.4 s")
    assert time.monotonic() - began < 10


def test_a_cluster_is_asked_for_its_version_with_its_context_in_one_word(
    recorders: Recorders,
) -> None:
    recorders.has("kubectl", '{"major": "1",\n "gitVersion": "v1.33.1-gke.5"}')
    context = "; rm -rf $HOME --server=evil"
    elsewhere = MachineNeeds(asks=Address(kubeconfig="/k u/b", context=context))

    assert look.look(elsewhere, is_there=True).version == "v1.33.1-gke.5"
    assert recorders.called() == [
        (
            f"kubectl <--kubeconfig=/k u/b> <--context={context}> <get> <--raw=/version> "
            "<--request-timeout=3s>"
        )
    ]


def test_a_stack_whose_pods_are_elsewhere_costs_nothing(recorders: Recorders) -> None:
    for name in ("docker", "podman", "kubectl", "sysctl", "gke-gcloud-auth-plugin"):
        recorders.has(name)
    began = time.monotonic()

    found = look.look(MachineNeeds(tools=("gke-gcloud-auth-plugin",)), is_there=True)

    assert found.programs == {"gke-gcloud-auth-plugin"}
    assert recorders.called() == []
    assert time.monotonic() - began < 0.3


def test_a_port_is_busy_while_something_listens_there() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port: Any = listener.getsockname()[1]
        needs = MachineNeeds(ports=(port,))
        assert look.look(needs, is_there=False).busy == {port}
    assert look.look(needs, is_there=False).busy == frozenset()
