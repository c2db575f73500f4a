"""Each alert on series that are made up, by promtool: when it fires, and when it does not. 3 s."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from recording import ROOT
from test_bad_input import existing_cluster, planned

import tools
from components import monitors
from stack.plan import Alerts, Monitoring
from telemetry.alerts import RUNBOOK

pytestmark = pytest.mark.engine  # for promtool, which is built

RELEASE = {"release": "v0.5", "monitoring": {"prometheus": "install"}}
SCOPE = {"namespace": "llm-d-inference-scheduler", "pool": "gaie-inference-scheduling"}
"""Of the one model's series."""


def monitoring(**said: object) -> Monitoring:
    made = planned(frozenset(), **{**RELEASE, **said}).monitoring
    assert made
    return made


def rules(made: Monitoring) -> dict[str, Any]:
    assert made.alerts
    return monitors.rules(made, made.alerts)["spec"]


def series(name: str, **labels: str) -> str:
    said = ",".join(f'{key}="{value}"' for key, value in {**SCOPE, **labels}.items())
    return f"{name}{{{said}}}"


DECODE = {"role": "decode", "pod": "a"}
READY = series("inference_pool_ready_pods", role="endpoint-picker")
REQUESTS = series("inference_objective_request_total")
ERRORS = series("inference_objective_request_error_total", error_code="BadRequest")
FAILED = series("http_requests_total", handler="/v1/completions", status="5xx", role="decode")
FIRST = "vllm:time_to_first_token_seconds_bucket"
WELL: Mapping[str, str] = {
    READY: "3x400",
    REQUESTS: "0+600x400",
    ERRORS: "0+1x400",
    series("inference_extension_scheduler_attempts_total", status="success"): "0+600x400",
    series("inference_extension_scheduler_attempts_total", status="failure"): "0+0x400",
    series(FIRST, **DECODE, le="2.5"): "0+599x400",
    series(FIRST, **DECODE, le="+Inf"): "0+600x400",
    series("vllm:num_requests_waiting", **DECODE): "2x400",
    series("vllm:kv_cache_usage_perc", **DECODE): "0.6x400",
    series("process_start_time_seconds", **DECODE): "1000x400",
    series("up", **DECODE): "1x400",
}
"""A sample a minute, of a stack that nothing ails."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    alert: str
    changes: Mapping[str, str]
    """Series -> what it says instead; nothing where it is gone."""
    fires: str
    not_yet: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


SLOW = {series(FIRST, **DECODE, le="2.5"): "0+120x400"}
"""Of five first tokens one is there in time: 16 times what the objective allows for."""
LATE = {series(FIRST, **DECODE, le="2.5"): "0+360x400"}
"""Of five two are late: 8 times."""
FAULTS = (
    Fault(alert="NoReadyEndpoint", changes={READY: "0x400"}, fires="1m", not_yet="30s"),
    Fault(alert="EndpointPickerAbsent", changes={READY: ""}, fires="1m", not_yet="30s"),
    Fault(
        alert="EndpointPickerFails",
        changes={
            series("inference_extension_scheduler_attempts_total", status="failure"): "0+6x400"
        },
        fires="6m",
        not_yet="1m",
    ),
    Fault(alert="RequestErrors", changes={ERRORS: "0+60x400"}, fires="4m", not_yet="1m"),
    Fault(
        alert="RequestErrors",
        changes={ERRORS: "0+60x400", REQUESTS: "0x400"},
        fires="4m",
        not_yet="1m",
    ),
    Fault(
        alert="RequestErrors",
        changes={ERRORS: "", FAILED: "0+60x400"},
        fires="4m",
        not_yet="1m",
    ),
    Fault(
        alert="FirstTokenSlow",
        changes=SLOW,
        fires="4m",
        not_yet="1m",
        labels={"severity": "critical"},
    ),
    Fault(
        alert="FirstTokenSlow",
        changes=LATE,
        fires="4m",
        not_yet="1m",
        labels={"severity": "warning"},
    ),
    Fault(
        alert="QueueSaturated",
        changes={series("vllm:num_requests_waiting", **DECODE): "9x400"},
        fires="5m",
        not_yet="4m",
    ),
    Fault(
        alert="KvCacheFull",
        changes={series("vllm:kv_cache_usage_perc", **DECODE): "0.99x400"},
        fires="2m",
        not_yet="1m",
    ),
    Fault(
        alert="PodRestarts",
        changes={series("process_start_time_seconds", **DECODE): "1000 1000 2000 2000 3000x400"},
        fires="4m",
        not_yet="3m",
        labels={"pod": "a"},
    ),
    Fault(
        alert="ModelNotLoaded",
        changes={series("up", **DECODE): "0x400"},
        fires=f"{monitoring().models[0].service.startup_seconds}s",
        not_yet="0s",
        labels=DECODE,
    ),
)


def promtool(folder: Path, *words: str, **files: object) -> str:
    for name, content in files.items():
        (folder / f"{name}.yml").write_text(yaml.safe_dump(content))
    done = subprocess.run(  # noqa: S603 - our own words
        [tools.resolve("promtool"), *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def firing(made: Monitoring, alert: str, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """What promtool is to expect of the one rule that `labels` are of."""
    [group] = rules(made)["groups"]
    found = [one for one in group["rules"] if one["alert"] == alert]
    severity = labels.get("severity", found[0]["labels"]["severity"])
    [rule] = [one for one in found if one["labels"]["severity"] == severity]
    return [
        {
            "exp_labels": {**rule["labels"], **labels},
            "exp_annotations": rule["annotations"],
        }
    ]


def case(
    changes: Mapping[str, str], alert: str, at: str, expected: list[dict[str, Any]]
) -> dict[str, Any]:
    shown = {**WELL, **changes}
    return {
        "interval": "1m",
        "input_series": [
            {"series": name, "values": values} for name, values in shown.items() if values
        ],
        "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": expected}],
    }


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: f"{one.alert} {one.labels or ''}")
def test_an_alert_fires_over_its_fault_after_its_time_and_not_before(
    fault: Fault, tmp_path: Path
) -> None:
    made = monitoring()
    [group] = rules(made)["groups"]
    group["rules"] = [
        rule
        for rule in group["rules"]
        if rule["labels"]["severity"] == fault.labels.get("severity", rule["labels"]["severity"])
    ]
    expected = firing(made, fault.alert, fault.labels)
    cases = [
        case(fault.changes, fault.alert, fault.fires, expected),
        case(fault.changes, fault.alert, fault.not_yet, []),
    ]

    promtool(
        tmp_path,
        "test",
        "rules",
        "cases.yml",
        cases={"rule_files": ["rules.yml"], "evaluation_interval": "30s", "tests": cases},
        rules={"groups": [group]},
    )


def test_nothing_fires_where_nothing_is_wrong(tmp_path: Path) -> None:
    made = rules(monitoring())
    names = {rule["alert"] for group in made["groups"] for rule in group["rules"]}
    cases = [case({}, name, "6h", []) for name in sorted(names)]

    promtool(
        tmp_path,
        "test",
        "rules",
        "cases.yml",
        cases={"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": cases},
        rules=made,
    )
    assert names == {one.alert for one in FAULTS}


@pytest.mark.parametrize("release", ["v0.4", "v0.5", "v0.6", "current"])
def test_prometheus_takes_the_rules_of_every_release(release: str, tmp_path: Path) -> None:
    made = monitoring(
        release=release,
        cluster=existing_cluster(tmp_path),
        monitoring={"prometheus": "operator"},
    )

    promtool(tmp_path, "check", "rules", "rules.yml", rules=rules(made))


def test_every_alert_says_where_in_the_documents_one_reads_on() -> None:
    [group] = rules(monitoring())["groups"]
    text = (ROOT / RUNBOOK).read_text()
    chapters = {chapter.lower() for chapter in re.findall(r"^## (\w+)$", text, re.MULTILINE)}

    asked = {rule["annotations"]["runbook"] for rule in group["rules"]}

    assert asked == {f"{RUNBOOK}#{chapter}" for chapter in chapters}


def test_what_counts_as_too_much_is_the_stack_files_to_say() -> None:
    asked = {"ttftSeconds": 0.5, "ttftShare": 0.99, "errorShare": 0.01, "queue": 3}
    made = monitoring(monitoring={"prometheus": "install", "alerts": asked})

    assert made.alerts == Alerts(ttft_seconds=0.5, ttft_share=0.99, error_share=0.01, queue=3)
    said = [rule["expr"] for group in rules(made)["groups"] for rule in group["rules"]]
    for part in ('le="0.5"', "14.4 * 0.01", "> 0.01", "> 3"):
        assert any(part in expr for expr in said), part


def test_alerts_can_be_left_to_others() -> None:
    assert monitoring(monitoring={"prometheus": "install", "alerts": False}).alerts is None
