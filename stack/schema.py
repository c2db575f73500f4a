"""A JSON schema of stack files, so that an editor checks one while it is written."""

from typing import Any

from pydantic import BaseModel

from stack import config


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """Of `Pulumi.<stack>.yaml`; keys of other projects and of Pulumi itself pass unchecked."""
    made = model.model_json_schema()
    blocks: dict[str, Any] = made["properties"]
    known = {f"llm-d:{key}": value for key, value in {**blocks, **_secrets()}.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An llm-d stack",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": known,
                "required": [f"llm-d:{key}" for key in made["required"]],
                # Whatever else begins with this project's name is a misspelt key.
                "patternProperties": {f"^llm-d:(?!({'|'.join(blocks | _secrets())})$)": False},
            }
        },
        "$defs": made["$defs"],
    }


def _secrets() -> dict[str, Any]:
    """Encrypted by `pulumi config set --secret`: never in plain text."""
    encrypted = {"type": "object", "properties": {"secure": {"type": "string"}}}
    return {
        key: {
            **encrypted,
            "required": ["secure"],
            "description": f"{what}. Set it with `pulumi config set --secret llm-d:{key}`.",
        }
        for key, what in config.SECRETS.items()
    }
