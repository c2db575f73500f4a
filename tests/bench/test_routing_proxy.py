"""The Envoy that asks no endpoint picker, read by the real one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bench.routing import proxy
from components.gateways import standalone

ENVOY = shutil.which("envoy", path=str(Path(sys.executable).parent))
PODS = {"pod-a": "198.18.1.0", "pod-b": "198.18.1.1"}
ARMS = {"turns": "ROUND_ROBIN", "chance": "RANDOM"}


def test_only_arms_and_pods_are_reached_and_each_in_its_way() -> None:
    made = proxy.bootstrap(PODS, ARMS)["static_resources"]

    addresses = {
        one["name"]: (
            one["lb_policy"],
            [
                at["endpoint"]["address"]["socket_address"]["address"]
                for at in one["load_assignment"]["endpoints"][0]["lb_endpoints"]
            ],
        )
        for one in made["clusters"]
    }
    assert addresses == {
        "turns": ("ROUND_ROBIN", ["198.18.1.0", "198.18.1.1"]),
        "chance": ("RANDOM", ["198.18.1.0", "198.18.1.1"]),
        "pod-a": ("ROUND_ROBIN", ["198.18.1.0"]),
        "pod-b": ("ROUND_ROBIN", ["198.18.1.1"]),
    }


def test_limits_are_those_of_the_endpoint_pickers_envoy() -> None:
    [theirs] = [
        one
        for one in standalone.bootstrap([proxy.BEHIND], [])["static_resources"]["clusters"]
        if one["name"] == "pods-none"
    ]

    for one in proxy.bootstrap(PODS, ARMS)["static_resources"]["clusters"]:
        assert one["circuit_breakers"] == theirs["circuit_breakers"]
        assert one["connect_timeout"] == theirs["connect_timeout"]


@pytest.mark.skipif(not ENVOY, reason="no Envoy is published for this platform on PyPI")
def test_envoy_takes_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "envoy.yaml"
    file.write_text(yaml.safe_dump(proxy.bootstrap(PODS, ARMS), sort_keys=False))

    said = subprocess.run(  # noqa: S603 - our own words
        [str(ENVOY), "--mode", "validate", "--config-path", file],
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 0, said.stderr
