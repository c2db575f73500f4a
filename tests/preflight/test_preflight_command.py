"""`make preflight`: a table, and whether anything can be created; it shows no secret's value."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from preflight import __main__ as command
from preflight.rows import Row
from preflight.table import table, verdict
from tests.preflight.recorders import Recorders
from tools.places import Places

EMBEDDED: dict[str, Any] = {
    "cluster": {"kind": "embedded"},
    "hardware": "simulated",
    "models": [{"name": "Qwen/Qwen3-0.6B"}],
}
GATED = {"hardware": "cpu", "models": [{"name": "meta-llama/Llama-3.2-3B-Instruct"}]}
WELL = Row(what="platform", found="Linux amd64", needed="amd64")
LACKING = Row(what="kind", found="not on PATH", needed="on PATH", mend="install it")
DOUBTFUL = Row(
    what="memory", found="1Gi", needed="2Gi", mend="add some", is_hard=False, detail=("a", "b")
)


@pytest.fixture(autouse=True)
def _no_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    """What programs of other tests leave behind."""
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: False)


def run(folder: Path, **changes: object) -> int:
    said = {f"llm-d:{key}": value for key, value in (EMBEDDED | changes).items()}
    (folder / "Pulumi.mine.yaml").write_text(yaml.safe_dump({"config": said}))
    return command.main(["mine"], Places(root=folder, cache=folder / "cache"))


def test_every_row_is_in_the_table_with_its_way_out() -> None:
    assert table([WELL, DOUBTFUL, LACKING]).splitlines() == [
        "         what      found        needed",
        "ok       platform  Linux amd64  amd64",
        "warning  memory    1Gi          2Gi",
        "           a",
        "           b",
        "         way out: add some",
        "MISSING  kind      not on PATH  on PATH",
        "         way out: install it",
    ]


def test_what_is_missing_refuses_and_what_is_doubtful_warns() -> None:
    told = verdict("mine", [WELL, DOUBTFUL, LACKING])

    assert told.refusal.splitlines()[1:] == [
        "  - kind is not on PATH, needed on PATH",
        "      way out: install it",
    ]
    assert told.warning.splitlines()[1:] == [
        "  - memory is 1Gi, needed 2Gi",
        "      a",
        "      b",
        "      way out: add some",
    ]
    assert "`make preflight STACK=mine`" in told.refusal
    well = verdict("mine", [WELL])
    assert (well.refusal, well.warning) == ("", "")


def test_a_machine_that_lacks_nothing_is_code_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("ok  ")


def test_a_bare_machine_is_code_1_with_all_that_it_lacks(
    tmp_path: Path, recorders: Recorders, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, cluster={"kind": "kind"}, gateway={"provider": "standalone"}) == 1

    rows = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    for what in ("kind", "kubectl", "container"):
        assert ["MISSING", what] in rows
    assert recorders.called() == []


def test_a_token_is_missed_in_the_table_and_its_value_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    user = {"name": "u", "user": {"exec": {"command": "sign-in-that-is-nowhere"}}}
    contexts = [{"name": "c", "context": {"user": "u", "cluster": "c"}}]
    (tmp_path / "config").write_text(yaml.safe_dump({"contexts": contexts, "users": [user]}))
    existing = {"cluster": {"kind": "existing", "context": "c"}}

    assert run(tmp_path, **existing, **GATED) == 1
    said = capsys.readouterr().out
    assert "pulumi config set --secret llm-d:hfToken --stack mine" in said
    assert "install sign-in-that-is-nowhere, and have it on PATH" in said

    run(tmp_path, **existing, **GATED, hfToken={"secure": "v1:cipher"})
    said = capsys.readouterr().out
    assert "way out: pulumi config" not in said
    assert "cipher" not in said


def test_a_context_that_is_nowhere_is_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")

    assert run(tmp_path, cluster={"kind": "existing", "context": "c"}) == 1
    assert "way out: `cluster.context` is `c`, expected " in capsys.readouterr().out


@pytest.mark.parametrize(
    "changes", [{"hardware": "cup"}, {"models": [{"name": "a", "id": "b"}] * 2}]
)
def test_a_stack_file_that_is_wrong_is_told_as_everywhere(
    changes: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, **changes) == 1
    assert capsys.readouterr().err.startswith("Pulumi.mine.yaml:\n  - `")
