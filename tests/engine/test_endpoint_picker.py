"""The real endpoint picker, asked what it understands."""

import re
import subprocess
from typing import Any

import pytest
from test_bad_input import planned

import tools
from components import inference_pool

pytestmark = pytest.mark.engine


def test_it_knows_every_flag_that_it_is_given() -> None:
    [model] = planned().models
    container: Any = inference_pool.picker_container(model.pool)
    given = {argument.split("=")[0] for argument in container["args"]}

    said = subprocess.run(  # noqa: S603 - our own words
        [tools.resolve("epp"), "--help"], capture_output=True, text=True, check=False
    )

    assert given
    assert given <= {*re.findall(r"--[a-z][-a-z]*", said.stdout + said.stderr)}
