"""An engine that records: the whole program is run against it, without Pulumi or a cluster."""

import functools
import json
import runpy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pulumi
import yaml
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks, mocks, rpc
from pulumi.runtime.proto import resource_pb2

from stack.checks import GATED_PUBLISHERS

ROOT = Path(__file__).parents[1]
STACKS = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))
SECRET = rpc._special_sig_key  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


@dataclass(frozen=True)
class Made:
    """A registration as the engine would get it: `request` is the raw message."""

    urn: str
    type: str
    name: str
    inputs: dict[str, Any]
    request: resource_pb2.RegisterResourceRequest

    @property
    def is_object(self) -> bool:
        """Whether it is a Kubernetes object, and not a component, a provider or a chart."""
        return self.type.startswith("kubernetes:") and self.kind != "Release"

    @property
    def kind(self) -> str:
        return str(self.inputs.get("kind") or self.type.rsplit(":", 1)[-1])


class Echo(Mocks):
    """Every resource comes out as it went in."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return f"{args.name}-id", cast("dict[str, Any]", args.inputs)  # pyright: ignore[reportUnknownMemberType]

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], None]:
        raise AssertionError(f"the program called {args.token}: a preview must not depend on it")


class Recorder(mocks.MockMonitor):
    """Keeps each raw request, and refuses the same URN twice, as the engine does."""

    def __init__(self) -> None:
        super().__init__(Echo())
        self.made: list[Made] = []

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        # With every ancestor's type but the stack's, as the engine builds it.
        above = parent.split("::")[2] if parent else ""
        qualified = type_ if above in {"", "pulumi:pulumi:Stack"} else f"{above}${type_}"
        return f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::{qualified}::{name}"

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> Any:  # noqa: N802
        urn = self.make_urn(request.parent, request.type, request.name)
        assert urn not in {one.urn for one in self.made}, f"registered twice: {urn}"
        if request.type != "pulumi:pulumi:Stack":
            inputs = plain(rpc.deserialize_properties(request.object))
            self.made.append(Made(urn, request.type, request.name, inputs, request))
        return super().RegisterResource(request)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def plain(value: Any) -> Any:
    """Without the envelopes that mark secrets, and with the integers that protobuf lacks."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        envelope = cast("dict[str, Any]", value)
        if SECRET in envelope:
            return plain(envelope["value"])
        return {key: plain(inner) for key, inner in envelope.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in cast("list[Any]", value)]
    return value


TOKEN = {"llm-d:hfToken": "hf_not-a-real-token"}


def is_gated(models: Any) -> bool:
    publishers = {str(one.get("name")).split("/")[0] for one in models or () if "gated" not in one}
    return bool(publishers & GATED_PUBLISHERS)


Deploy = Callable[..., list[Made]]


def stack_config(stack: str) -> dict[str, Any]:
    """What the stack file says, project prefixes included."""
    return yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]


def prometheuses(stack: str) -> Iterator[str]:
    """Those that its cluster can have, as `monitoring.prometheus` calls them."""
    cluster = stack_config(stack)["llm-d:cluster"]
    platform = cluster.get("platform")
    if platform != "openshift":
        yield "install"
    if cluster["kind"] not in {"embedded", "kind", "minikube"}:  # which begin empty
        yield "operator"
    if platform in {"gke", "openshift"}:
        yield platform


def run(
    stack: str,
    *,
    config: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    preview: bool = True,
) -> list[Made]:
    """Run `__main__.py` as the stack, with `config` over its own, and return what it made.

    Without `secrets`, a stack whose models are gated gets the token that its file asks for.
    """
    recorder = Recorder()
    mocks.set_mocks(Echo(), project="llm-d", stack=stack, preview=preview, monitor=recorder)
    said = {**stack_config(stack), **(config or {})}
    if secrets is None:
        secrets = TOKEN if is_gated(said["llm-d:models"]) else {}
    said |= secrets
    pulumi.runtime.set_all_config(
        {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in said.items()
            if value is not None
        },
        list(secrets),
    )
    program = functools.partial(runpy.run_path, str(ROOT / "__main__.py"), run_name="__main__")
    mocks.test(lambda: program() and None)()  # pyright: ignore[reportUnknownMemberType]
    return recorder.made
