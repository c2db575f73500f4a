"""Arguments of a model server, as `--flag` or `--flag=value`."""

from collections.abc import Iterable

NUMBERS = ("--gpu-memory-utilization", "--max-num-batched-tokens")
"""Arguments that change what fits; `number` has them."""


def flag(argument: str) -> str:
    """`--max_model_len=8` -> `--max-model-len`: vLLM takes either spelling."""
    return argument.partition("=")[0].replace("_", "-")


def has(arguments: Iterable[str], name: str) -> bool:
    return any(flag(one) == name for one in arguments)


def number(arguments: Iterable[str], name: str) -> float | None:
    """Of the last argument of that name; None where it says none, or nothing that is a number."""
    values = [one.partition("=")[2] for one in arguments if flag(one) == name]
    try:
        return float(values[-1]) if values else None
    except ValueError:
        return None
