"""Arguments of a model server, as `--flag` or `--flag=value`."""

from collections.abc import Iterable


def flag(argument: str) -> str:
    """`--max_model_len=8` -> `--max-model-len`: vLLM takes either spelling."""
    return argument.partition("=")[0].replace("_", "-")


def said(arguments: Iterable[str], name: str) -> str | None:
    """The value of the last argument of that name, empty where it has none."""
    values = [one.partition("=")[2] for one in arguments if flag(one) == name]
    return values[-1] if values else None
