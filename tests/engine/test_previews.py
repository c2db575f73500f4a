"""Every stack file previewed by the real engine on a machine without any cluster."""

from pathlib import Path

import pytest
import yaml
from engine.project import Project
from recording import ROOT, STACKS, TOKEN, is_gated

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("stack", STACKS)
def test_a_preview_without_a_cluster_lists_every_child(stack: str, tmp_path: Path) -> None:
    said = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    config = {key.removeprefix("llm-d:"): value for key, value in said.items()}
    project = Project.create(tmp_path / "project", stack, config)
    project.act("preview")
    for key, token in TOKEN.items() if is_gated(config["models"]) else ():
        project.pulumi("config", "set", "--secret", key, token)

    preview = project.pulumi("preview")

    assert preview.code == 0, preview.said
    listed = (ROOT / "tests" / "urns" / f"{stack}.txt").read_text().splitlines()
    assert preview.created >= {*listed}
