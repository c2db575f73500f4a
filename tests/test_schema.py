"""The schema that editors check stack files by, and the block that Pulumi shows users."""

import json
import os
from typing import Any

import jsonschema
import pytest
import yaml
from recording import ROOT, STACKS, stack_config

from components import clusters, gateways
from stack import config
from stack.schema import schema

FILE = ROOT / "stack.schema.json"
MODEL = config.stack_with((kind.settings for kind in clusters.kinds().values()), gateways.kinds())
UPDATE = "UPDATE_SCHEMA"
"""Set it to write the schema anew after the models have changed."""


def valid(said: dict[str, Any]) -> bool:
    try:
        jsonschema.validate({"config": said}, json.loads(FILE.read_text()))
    except jsonschema.ValidationError:
        return False
    return True


def test_the_schema_is_that_of_the_models() -> None:
    made = json.dumps(schema(MODEL), indent=2) + "\n"
    if os.environ.get(UPDATE):
        FILE.write_text(made)

    assert FILE.read_text() == made, f"{UPDATE}=1 writes {FILE.name} anew"


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_file_names_the_schema_and_passes_it(stack: str) -> None:
    first = (ROOT / f"Pulumi.{stack}.yaml").read_text().splitlines()[0]

    assert first == f"# yaml-language-server: $schema={FILE.name}"
    assert valid(stack_config(stack))


@pytest.mark.parametrize(
    "wrong",
    [
        {"llm-d:hardwear": "cpu"},
        {"llm-d:hardware": "cpv"},
        {"llm-d:release": "v99"},
        {"llm-d:gateway": {"provider": "nginx"}},
        {"llm-d:cluster": {"kind": "embedded", "context": "c"}},
        {"llm-d:models": [{"name": "a/b", "replicas": 0}]},
        {"llm-d:hfToken": "in-plain-text"},
    ],
)
def test_an_editor_shows_what_the_program_would_refuse(wrong: dict[str, Any]) -> None:
    assert not valid({**stack_config("embedded"), **wrong})


def test_keys_of_other_projects_pass() -> None:
    assert valid({**stack_config("embedded"), "aws:region": "eu-west-1"})


def test_pulumis_own_block_agrees_with_the_models() -> None:
    block: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    listed = {key: said for key, said in block.items() if not key.startswith("pulumi:")}
    types = {"string": str, "object": dict, "array": list}

    assert [*listed] == [str(field.alias) for field in MODEL.model_fields.values()]
    for key, field in ((str(field.alias), field) for field in MODEL.model_fields.values()):
        said = listed[key]
        assert said["description"].rstrip(".") == str(field.description).rstrip(".")
        assert ("default" in said) != field.is_required(), key
        if not field.is_required():
            # A block left out is a block with nothing in it.
            default: Any = field.default
            meant = default if isinstance(default, str) else type(default)(**said["default"])
            assert default == meant
            assert isinstance(said["default"], types[said["type"]])
