"""`python -m preflight STACK`: see `preflight/__init__.py`."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import yaml

from components import clusters, gateways
from preflight.check import is_there
from preflight.look import look
from preflight.needs import building, needs
from preflight.rows import Row, State, rows
from preflight.table import table
from stack import checks, config, reading
from stack.plan import Plan
from stack.problems import StackError
from tools.places import Places, here

INTERRUPTED = 130
PREFIX = "llm-d:"


def main(words: Sequence[str], places: Places | None = None) -> int:
    """Print the table; 1 where something is missing without which nothing can be created."""
    parser = argparse.ArgumentParser(prog="python -m preflight", description="Looks at a machine.")
    parser.add_argument("stack", help="as in Pulumi.<stack>.yaml")
    stack: str = parser.parse_args(words).stack
    try:
        found = examine(stack, places or here())
    except StackError as problem:
        return _fail(problem.told(stack), 1)
    except KeyboardInterrupt:
        return _fail("preflight: stopped", INTERRUPTED)
    sys.stdout.write(f"{table(found)}\n")
    return int(any(row.state is State.MISSING for row in found))


def examine(stack: str, places: Places) -> list[Row]:
    """StackError where its file says what cannot be, whatever the machine."""
    file: dict[str, Any] = yaml.safe_load((places.root / f"Pulumi.{stack}.yaml").read_text())
    said: dict[str, Any] = file.get("config") or {}
    secrets = frozenset(key for key in config.SECRETS if f"{PREFIX}{key}" in said)
    blocks = {
        key.removeprefix(PREFIX): reading.value(one)
        for key, one in said.items()
        if key.startswith(PREFIX) and key.removeprefix(PREFIX) not in config.SECRETS
    }
    known = clusters.kinds()
    words = reading.shape(blocks, clusters=known, gateways=gateways.kinds())
    kind = known[words.cluster.kind]
    plan = _plan(blocks, stack, secrets)
    machine = building(plan, kind.needs(words.cluster))
    downloads = plan.cluster.hardware.server != "simulator"
    gated = (one.name for one in words.models if downloads and checks.is_gated(one))
    facts = look(machine, is_there=is_there(plan.cluster, places.root))
    secret = words.names.hf_token_secret
    return [
        *rows(
            needs(plan, machine, tuple(gated)),
            replace(
                facts,
                token=f"{PREFIX}hfToken" if "hfToken" in secrets else secret and f"Secret {secret}",
                wrong=tuple(kind.problems(words.cluster)),
            ),
        )
    ]


def _plan(blocks: Mapping[str, Any], stack: str, secrets: frozenset[str]) -> Plan:
    """Of what is said, on a machine with which nothing is wrong: what is, the rows tell."""
    kinds = {name: replace(one, problems=_none) for name, one in clusters.kinds().items()}

    def planned(secrets: frozenset[str]) -> Plan:
        return reading.read(
            blocks, name=stack, secrets=secrets, clusters=kinds, gateways=gateways.kinds()
        )

    try:
        return planned(secrets)
    except StackError:
        # Whether a token is missing is one of the rows.
        return planned(secrets | {"hfToken"})


def _none(_settings: config.Cluster) -> Iterator[str]:
    return iter(())


def _fail(text: str, code: int) -> int:
    sys.stderr.write(f"{text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
