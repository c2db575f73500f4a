"""The routing bench in its short form, from deploying to charts: about a minute."""

import json
import subprocess
import sys
from typing import Any

import pytest

import tools
from bench.routing.parameters import PRESSURE, SHORT
from bench.stage import HOME, ROOT

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(sys.platform != "linux", reason="pods run nowhere else on this machine"),
]
FOLDER = HOME / "routing-short"


def test_prefixes_are_found_more_often_than_by_turns_and_every_figure_is_there() -> None:
    (FOLDER / "results.json").unlink(missing_ok=True)

    done = subprocess.run(
        [sys.executable, "-m", "bench.routing", "--short"],
        cwd=ROOT,
        env=tools.environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    kept: dict[str, Any] = json.loads((FOLDER / "results.json").read_text())
    assert (FOLDER / "pressure.png").stat().st_size > 10_000
    runs = {run["arm"]: run for run in kept["runs"]}
    assert [*runs] == [arm.name for trial in SHORT for arm in trial.arms]
    for run in runs.values():
        assert run["failures"] == []
        assert len(run["stages"]) == len(PRESSURE.stages)
        assert sum(run["servers"]["requests"].values()) == run["overall"]["sent"]
        assert run["overall"]["sent"] == sum(stage["sent"] for stage in run["stages"])
        for figures in (*run["stages"], run["overall"]):
            assert 0 < figures["ttft_p50"] <= figures["ttft_p90"] <= figures["ttft_p99"]
            assert figures["tpot_mean"] > 0
            assert figures["requests_per_second"] > 0
    hits = {arm: run["servers"]["hit_share"] for arm, run in runs.items()}
    assert hits["default"] > 2 * hits["round-robin"] > 0
