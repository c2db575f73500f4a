"""A whole install, on a machine whose go and uv record how they are called."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.tools.machine import Machine, has_free, vendor_site
from tools import Missing, install, records
from tools.catalog import FAMILIES, OWNERS, TOOLS, Vendor
from tools.install import EVERYTHING

ROOT = Path(__file__).resolve().parents[2]

Edit = Callable[[Mapping[str, str]], None]


def ensure(machine: Machine, *names: str) -> str:
    out = io.StringIO()
    install.ensure(names or EVERYTHING, places=machine.places, out=out)
    return out.getvalue()


def source(machine: Machine, name: str) -> str:
    return records.load(machine.places).tools[name].source


def test_a_bare_machine_gets_everything(machine: Machine) -> None:
    machine.has_go()
    machine.has_uv()

    said = ensure(machine)

    for file in OWNERS:
        assert os.access(records.resolve(file, machine.places), os.X_OK)
        assert os.access(machine.places.links / file, os.X_OK)
    assert {source(machine, name) for name in TOOLS} == {"built"}
    assert len(machine.builds()) == len(FAMILIES)
    assert "all in place" in said


def test_what_few_stacks_need_is_put_in_place_for_them_alone() -> None:
    usual = install.embedded()

    assert {*EVERYTHING} - {*usual} == {"bbr", "pilot-discovery", "prometheus"}
    assert install.embedded({"standalone"}) == usual
    assert install.embedded({"istio", "prometheus"}) == EVERYTHING


def test_a_chart_is_taken_from_its_module_as_helm_wants_it(machine: Machine) -> None:
    machine.has_go()
    ensure(machine, "pilot-discovery")

    with tarfile.open(records.resolve("istio-base.tgz", machine.places)) as archive:
        assert "base/Chart.yaml" in archive.getnames()


def test_source_code_is_fetched_before_anything_is_compiled(machine: Machine) -> None:
    machine.has_go()
    machine.has_uv()

    ensure(machine)

    calls = [" ".join(call.split()[:2]) for call in machine.called()]
    assert calls.index("uv sync") < calls.index("list -mod=readonly")
    assert calls.index("mod download") < calls.index("list -mod=readonly")
    assert calls.index("build -v") > calls.index("list -mod=readonly") + 2


def test_a_second_install_does_nothing_and_says_one_line(machine: Machine) -> None:
    machine.has_go()
    machine.has_uv()
    ensure(machine)
    before = machine.called()

    said = ensure(machine, *TOOLS)

    assert said.splitlines()[0].split() == ["tools", "all", "in", "place", f"({len(TOOLS)})"]
    assert [call for call in machine.called()[len(before) :] if "env" not in call] == []


def test_another_clone_takes_what_the_first_has_built(machine: Machine) -> None:
    machine.has_go()
    ensure(machine, *TOOLS)
    built = len(machine.builds())

    for kept in (machine.places.records, *machine.places.links.iterdir()):
        kept.unlink()
    ensure(machine, *TOOLS)

    assert len(machine.builds()) == built


def test_without_go_what_was_built_before_still_serves(machine: Machine) -> None:
    machine.has_go()
    ensure(machine, *TOOLS)
    (machine.bin / "go").unlink()

    assert "all in place" in ensure(machine, *TOOLS)


def test_a_changed_pin_is_built_and_nothing_else(machine: Machine, edit_pin: Edit) -> None:
    machine.has_go()
    ensure(machine, *TOOLS)
    built = len(machine.builds())

    edit_pin({"language": "// changed\n"})
    ensure(machine, *TOOLS)

    again = machine.builds()[built:]
    assert [call.split()[-1].rsplit("/", 1)[-1] for call in again] == [
        "pulumi-language-python",
        "pulumi",
    ]


def test_a_removed_binary_is_put_back(machine: Machine) -> None:
    machine.has_go()
    ensure(machine, *TOOLS)
    records.resolve("etcd", machine.places).unlink()
    with pytest.raises(Missing, match="no longer at"):
        records.resolve("etcd", machine.places)

    ensure(machine, *TOOLS)

    assert records.resolve("etcd", machine.places).exists()


def test_what_is_installed_is_used_and_named(machine: Machine) -> None:
    machine.has_go()
    machine.has_all_tools(but="etcd")
    program = machine.says("etcd", "etcd Version: 3.5.1")

    said = ensure(machine, *TOOLS)

    found = {name: source(machine, name) for name in TOOLS}
    assert {name for name, where in found.items() if where != "installed"} == {
        "etcd",
        "epp",
        "bbr",
        "pilot-discovery",
        "prometheus",
    }
    assert f"installed at {machine.bin / 'helm'}" in said
    assert f"passed over {program}: is 3.5.1, needed is >= 3.6.0, < 4.0.0" in said
    extension = "sigs.k8s.io/gateway-api-inference-extension/cmd"
    cluster, istio, prometheus = machine.builds()
    assert cluster.split()[-3:] == [
        "go.etcd.io/etcd/server/v3",
        f"{extension}/epp",
        f"{extension}/bbr",
    ]
    assert istio.split()[-2:] == [
        "istio.io/istio/pilot/cmd/pilot-discovery",
        "istio.io/istio/pilot/cmd/pilot-agent",
    ]
    assert prometheus.split()[-2:] == [
        f"github.com/prometheus/prometheus/cmd/{name}" for name in ("prometheus", "promtool")
    ]


def test_a_tool_installed_later_is_noticed(machine: Machine) -> None:
    machine.has_go()
    ensure(machine, "helm")
    assert source(machine, "helm") == "built"

    machine.says("helm", "v3.19.0")
    ensure(machine, "helm")

    assert source(machine, "helm") == "installed"


def test_no_go_is_told_before_anything_is_done(machine: Machine) -> None:
    machine.has_uv()
    (machine.bin / "go").unlink(missing_ok=True)

    with pytest.raises(Missing, match="go: not found on PATH"):
        ensure(machine)

    assert machine.called() == []
    assert not machine.places.venv.exists()


def test_a_full_disk_is_told_before_anything_is_done(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.has_go()
    has_free(monkeypatch, 1_000_000)

    with pytest.raises(Missing, match=r"disk: 0\.0 GB are free, 12\.0 GB are needed"):
        ensure(machine)

    assert machine.builds() == []


def test_a_refused_module_is_told_with_the_tools_that_need_it(machine: Machine) -> None:
    machine.has_go(before_build="echo 'reading https://proxy.invalid/x.zip: 403 Forbidden'; exit 1")

    with pytest.raises(Missing) as told:
        ensure(machine, "etcd", "epp")

    assert str(told.value).splitlines() == [
        "etcd, epp: the Go proxy does not have a module",
        "  | reading https://proxy.invalid/x.zip: 403 Forbidden",
        "  way out: set GOPROXY to one that has it (`go env GOPROXY` shows the present one)",
    ]
    assert not (machine.places.store / "etcd").exists()


def test_what_was_found_before_a_failure_is_kept(machine: Machine) -> None:
    machine.has_go(before_build="exit 1")
    machine.says("helm", "v3.19.0")

    with pytest.raises(Missing):
        ensure(machine, "helm", "epp")

    assert records.resolve("helm", machine.places) == machine.bin / "helm"


def test_an_unknown_name_is_refused(machine: Machine) -> None:
    with pytest.raises(Missing, match="kubectx: not a tool of this project"):
        ensure(machine, "kubectx")


def _in_the_background(machine: Machine) -> subprocess.Popen[bytes]:
    script = (
        "import sys; from pathlib import Path; from tools import install;"
        "from tools.places import Places;"
        "install.ensure(['etcd'], places=Places(Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    return subprocess.Popen(  # noqa: S603 - this Python
        [sys.executable, "-c", script, machine.places.root, machine.places.cache],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )


def _until_a_build_runs(machine: Machine) -> None:
    end = time.monotonic() + 10
    while not machine.builds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_kill_leaves_nothing_half_made_and_the_next_install_mends_it(machine: Machine) -> None:
    machine.has_go(before_build="sleep 1")
    with _in_the_background(machine) as running:
        _until_a_build_runs(machine)
        running.send_signal(signal.SIGKILL)
    assert not (machine.places.store / "etcd").exists()

    machine.has_go()
    ensure(machine, "etcd")

    assert records.resolve("etcd", machine.places).exists()
    assert [one.name for one in machine.places.store.iterdir()] == ["etcd"]


def test_two_installs_at_once_build_once(machine: Machine) -> None:
    machine.has_go(before_build="sleep 0.3")
    with _in_the_background(machine) as running:
        _until_a_build_runs(machine)
        ensure(machine, "etcd")
        assert running.wait() == 0

    assert len(machine.builds()) == 1


def _offer(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Make etcd's vendor a loopback server."""
    etcd = TOOLS["etcd"]
    offered = Vendor(url=f"{url}/etcd", sums=f"{url}/etcd.sha256")
    monkeypatch.setitem(install.TOOLS, "etcd", replace(etcd, vendor=offered))
    monkeypatch.delenv("LLMD_TOOLS_OFFLINE")


def test_what_the_vendor_publishes_is_downloaded_and_not_built(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with vendor_site("etcd", b"#!/bin/sh\n") as url:
        _offer(monkeypatch, url)
        said = ensure(machine, "etcd")

    assert source(machine, "etcd") == "downloaded"
    assert "3.6.8 downloaded" in said
    assert "all in place" in ensure(machine, "etcd")  # and the vendor is not needed again


def test_a_wrong_checksum_is_told_and_the_tool_is_built(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.has_go()
    with vendor_site("etcd", b"#!/bin/sh\n", published="0" * 64) as url:
        _offer(monkeypatch, url)
        said = ensure(machine, "etcd")

    assert source(machine, "etcd") == "built"
    assert "not downloaded, will be built" in said
    assert "another checksum" in said


def test_an_unreachable_vendor_is_not_waited_for(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.has_go()
    _offer(monkeypatch, "http://127.0.0.1:9")

    said = ensure(machine, "etcd")

    assert source(machine, "etcd") == "built"
    assert "downloaded" not in said


def test_a_records_file_of_another_version_is_not_trusted(machine: Machine) -> None:
    machine.places.records.parent.mkdir(parents=True)
    for text in ("", "[]", "{}", json.dumps({"fingerprint": "x", "tools": 1, "passed_over": []})):
        machine.places.records.write_text(text)
        assert records.load(machine.places) == records.Records()


def test_a_tool_nobody_installed_is_told_with_the_way_out(machine: Machine) -> None:
    with pytest.raises(Missing, match="etcd: not installed yet\n  way out: run `make tools`"):
        records.resolve("etcd", machine.places)
