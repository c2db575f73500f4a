"""`python -m smoke`: from a stack's outputs to lines and an exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from smoke import __main__ as cli
from smoke.findings import (
    Check,
    Failed,
    Found,
    Hop,
    NotTried,
    OutOfTimeError,
    Passed,
    Result,
    line,
    run,
)
from smoke.outputs import OutputsError, parse
from tests.smoke.deployed import MODEL, NAME, NAMESPACE, STACK

ROOT = Path(__file__).parents[2]

OUTPUTS: dict[str, Any] = {
    "namespace": NAMESPACE,
    "context": "ctx",
    "kubeconfig": "kc",
    "models": [NAME],
    "gatewayUrl": None,
    "gatewayAddress": "gaie-epp.llm-d.svc.cluster.local",
    "inferenceEndpoint": "http://gaie-epp.llm-d.svc.cluster.local:8081",
    # Pulumi writes whole numbers as it likes.
    "gatewayService": {"namespace": NAMESPACE, "name": "gaie-epp", "port": 8081.0},
    "listedModels": [NAME],
    "objects": {
        NAME: {
            "picker": "gaie-epp",
            "pool": "gaie",
            "decode": "ms-decode",
            "metricsPort": 9090,
        }
    },
    "smokeTestCommand": "make smoke STACK=mine",
}


def passing(name: str, *needs: str, found: Found | None = None) -> Check:
    return Check(name, frozenset(needs), lambda: found or Passed("well"), "make up")


def test_outputs_are_read_as_pulumi_prints_them() -> None:
    assert parse("mine", json.loads(json.dumps(OUTPUTS))) == STACK
    assert STACK.models == (MODEL,)


def test_a_stack_that_is_not_deployed_says_how_to_deploy_it() -> None:
    with pytest.raises(OutputsError, match=r"mine is not deployed\n  way out: make up STACK=mine"):
        parse("mine", {})


def test_a_stack_of_an_older_program_says_what_it_lacks() -> None:
    with pytest.raises(OutputsError, match="no output 'objects'"):
        parse("mine", {key: value for key, value in OUTPUTS.items() if key != "objects"})


def test_names_with_odd_characters_are_quoted_for_the_shell() -> None:
    odd = parse("mine", {**OUTPUTS, "context": "a b; c", "kubeconfig": None})

    assert odd.kubectl("get", "pods").startswith("kubectl --context 'a b; c' --namespace")


def test_logs_of_a_cluster_without_a_kubelet_are_not_asked_of_it() -> None:
    own = parse("mine", {**OUTPUTS, "kubeconfig": ".state/clusters/mine/kubeconfig"})

    assert own.logs("ms-decode") == "make logs STACK=mine"


def test_what_needs_a_failed_check_is_not_tried_and_the_rest_is() -> None:
    failed = Failed(hop=Hop.POOL, seen="", expected="", cause="", next="")
    checks = [
        passing("first"),
        passing("second", "first", found=failed),
        passing("third", "second"),
        passing("fourth", "first"),
    ]

    found = [one.found for one in run(checks, set())]

    assert found == [Passed("well"), failed, NotTried("needs `second`"), Passed("well")]


def test_when_the_time_is_up_the_rest_is_told_and_the_test_ends() -> None:
    def late() -> Found:
        raise OutOfTimeError("not done after 55 s")

    results = run([passing("a"), Check("b", frozenset(), late, ""), passing("c")], set())
    told = [line(next(results)) for _ in range(3)]

    assert told[0].startswith("ok      a ")
    assert "cut short" in told[1]
    assert told[2].endswith("not tried: the time is up")
    with pytest.raises(OutOfTimeError):
        next(results)


def test_a_failure_reads_as_where_what_why_and_what_next() -> None:
    failed = Failed(
        hop=Hop.PICKER,
        seen="HTTP 500 with an empty body",
        expected="HTTP 200",
        cause="it is down",
        next="kubectl logs deployment/epp",
    )

    assert line(Result("chat", failed, 1.234)).splitlines() == [
        "FAILED  chat              HTTP 500 with an empty body  (1.23 s)",
        "        hop       client → gateway → [endpoint picker] → pool → model server",
        "        expected  HTTP 200",
        "        cause     it is down",
        "        next      kubectl logs deployment/epp",
    ]


def smoke(folder: Path, pulumi: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """The command, with a `pulumi` that is a script."""
    (folder / "pulumi").write_text(f"#!/bin/sh\n{pulumi}\n")
    (folder / "pulumi").chmod(0o755)
    return subprocess.run(  # noqa: S603 - this Python
        [sys.executable, "-m", "smoke", *words],
        cwd=ROOT,
        env={"PATH": f"{folder}{os.pathsep}{os.defpath}", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_the_command_prints_a_line_for_each_check_and_fails_with_the_first(tmp_path: Path) -> None:
    said = {**OUTPUTS, "kubeconfig": str(tmp_path / "none")}
    done = smoke(tmp_path, f"cat <<'END'\n{json.dumps(said)}\nEND", "mine")

    assert done.returncode == 1
    assert done.stderr == ""
    first, second, *_ = done.stdout.splitlines()
    assert first == f"mine: context ctx, namespace {NAMESPACE}"
    assert second.startswith("FAILED  API server        there is no kubeconfig at ")


def test_what_pulumi_says_is_passed_on_with_a_way_out(tmp_path: Path) -> None:
    done = smoke(tmp_path, "echo \"error: no stack named 'mine' found\" >&2; exit 6", "mine")

    assert done.returncode == 1
    assert done.stderr == (
        "smoke: error: no stack named 'mine' found\n  way out: make up STACK=mine\n"
    )


def test_time_is_bounded_whatever_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pulumi").write_text("#!/bin/sh\nexec sleep 20\n")
    (tmp_path / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.defpath}")
    monkeypatch.setattr(cli, "SECONDS", 0.3)

    with cli.bounded():
        code = cli.smoke("mine", None)

    assert code == 1
    assert capsys.readouterr().err == "smoke: not done after 0.3 s\n"
