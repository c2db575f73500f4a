"""The real endpoint picker, asked what it understands."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from presets import fitting
from test_bad_input import planned

import tools
from components import inference_pool
from embedded.agent import pickers
from stack.schedulers import schedulers

pytestmark = pytest.mark.engine


def test_it_knows_every_flag_that_it_is_given() -> None:
    asked = fitting("default")
    asked["models"][0]["scheduler"]["replicas"] = 2
    [model] = planned(**asked).models
    container: Any = inference_pool.picker_container(model.pool)
    given = {argument.split("=")[0] for argument in container["args"]}

    said = subprocess.run(  # noqa: S603 - our own words
        [tools.resolve("epp"), "--help"], capture_output=True, text=True, check=False
    )

    assert given
    assert given <= {*re.findall(r"--[a-z][-a-z]*", said.stdout + said.stderr)}


def reads(config: str, folder: Path) -> bool:
    """Whether it takes the configuration, which it reads before it looks for its cluster."""
    (folder / "config.yaml").write_text(config)
    (folder / "kubeconfig").write_text(pickers.NOWHERE)
    said = subprocess.run(  # noqa: S603 - our own words
        [
            tools.resolve("epp"),
            *("--pool-name=pool", "--pool-namespace=default", "--tracing=false"),
            f"--config-file={folder / 'config.yaml'}",
        ],
        env={"KUBECONFIG": str(folder / "kubeconfig")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Failed to " in said.stderr, "it ends, for want of a cluster at the latest"
    return "loaded configuration from file/text successfully" in said.stderr


OF_LLM_D = {"precise-prefix-cache", "prefill-decode"}
"""Presets with plugins that llm-d's scheduler adds to the endpoint picker that is built here."""


@pytest.mark.parametrize("preset", sorted(schedulers().keys() - OF_LLM_D))
def test_it_takes_the_configuration_of_every_preset_of_its_own_plugins(
    preset: str, tmp_path: Path
) -> None:
    [model] = planned(**fitting(preset)).models

    assert reads(model.pool.picker_config, tmp_path)


@pytest.mark.parametrize("preset", sorted(OF_LLM_D))
def test_without_llm_ds_own_plugins_it_refuses_the_presets_that_have_them(
    preset: str, tmp_path: Path
) -> None:
    """So that nobody takes the test above for more than it is."""
    [model] = planned(**fitting(preset)).models

    assert not reads(model.pool.picker_config, tmp_path)
    why = pickers.refuses(model.pool.picker_config)
    assert why
    assert why.startswith("the endpoint picker that is built here has no plugin `p")


def test_what_it_takes_is_not_refused_beforehand() -> None:
    [model] = planned().models

    assert pickers.refuses(model.pool.picker_config) is None


def test_it_takes_flow_control(tmp_path: Path) -> None:
    asked = fitting("default")
    asked["models"][0]["scheduler"]["flowControl"] = True
    [model] = planned(**asked).models

    assert "flowControl" in model.pool.picker_config
    assert reads(model.pool.picker_config, tmp_path)


def test_it_refuses_a_plugin_that_it_does_not_know(tmp_path: Path) -> None:
    [model] = planned().models

    assert not reads(model.pool.picker_config.replace("queue-scorer", "queue-scorr"), tmp_path)
