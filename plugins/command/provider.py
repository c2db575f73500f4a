"""Answers the engine for `command:local`: the resource `Command` and the function `run`."""

import json
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from pulumi.provider.experimental import provider as sdk
from pulumi.provider.experimental.property_value import PropertyValue

from plugins.command.arguments import (
    INPUTS,
    Base,
    Command,
    Run,
    parse,
    problems,
)
from plugins.command.narration import Lines, Narrator
from plugins.command.process import Ending, Job, Runner, Stream
from plugins.contract import (
    CheckRequest,
    CreateRequest,
    DeleteRequest,
    DiffRequest,
    Failed,
    ReadRequest,
    UpdateRequest,
)
from plugins.engine import Engine
from plugins.masking import masked, secrets
from plugins.values import PropertyMap, plain

RESOURCE = "command:local:Command"
FUNCTION = "command:local:run"
PREVIOUS = {"stdout": "PULUMI_COMMAND_STDOUT", "stderr": "PULUMI_COMMAND_STDERR"}
UNKNOWN = {stream: PropertyValue.computed() for stream in PREVIOUS}
LAST_LINES = 50
"""Of what a failed command said, enough to see why."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """One command to run for the engine."""

    urn: str
    command: str
    secret: bool
    """Whether the command itself must not be shown."""
    arguments: Base
    previous: Mapping[str, str]
    hidden: frozenset[str]
    timeout: float = 0

    def job(self, ambient: Mapping[str, str]) -> Job:
        environment = {**ambient, **self.arguments.environment}
        if self.arguments.add_previous_output_in_env:
            environment |= {PREVIOUS[key]: text for key, text in self.previous.items() if text}
        return Job(
            argv=[*self.arguments.interpreter, self.command],
            environment=environment,
            directory=self.arguments.dir or ".",
            stdin=self.arguments.stdin.encode(),
            timeout=self.timeout,
        )

    def complaint(self, ending: Ending) -> str:
        """What the user reads of a failure: the vendor's sentence, then the last that was said.

        A stdout that is kept out of the log is kept out of here too: it holds what the command is
        for, such as a kubeconfig.
        """
        what = "a secret command" if self.secret else json.dumps(self.command, ensure_ascii=False)
        said = ending.text(Stream.STDERR, *self.arguments.logging.streams).splitlines()
        previous = sum(map(len, self.previous.values()))
        hint = (
            f" (the previous output is {previous} characters: set addPreviousOutputInEnv to false)"
            if "too long" in ending.failure and previous
            else ""
        )
        lines = [f"{ending.failure}{hint}: running {what}:", *said[-LAST_LINES:]]
        return masked("\n".join(lines), self.hidden)


class CommandProvider:
    """The vendor's contract for commands on this machine; those on another are refused."""

    def __init__(self, engine: Engine, ambient: Mapping[str, str]) -> None:
        self._engine = engine
        self._ambient = ambient
        self._runner = Runner()

    async def check_config(self, request: CheckRequest) -> sdk.CheckResponse:
        return sdk.CheckResponse(request.new_inputs)

    async def diff_config(self, _request: DiffRequest) -> sdk.DiffResponse:
        return sdk.DiffResponse(changes=False)

    async def configure(self, _request: sdk.ConfigureRequest) -> sdk.ConfigureResponse:
        return sdk.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def cancel(self) -> None:
        self._runner.stopped.set()

    async def invoke(self, request: sdk.InvokeRequest) -> sdk.InvokeResponse:
        if request.tok != FUNCTION:
            raise Failed(f"this stand-in for pulumi-resource-command has no {request.tok}")
        arguments = request.args
        if failures := [sdk.CheckFailure(*problem) for problem in problems(Run, arguments)]:
            return sdk.InvokeResponse(failures=failures)
        run = parse(Run, arguments)
        said = await self._run(
            Order(
                urn="",
                command=run.command,
                secret=arguments["command"].contains_secret(),
                arguments=run,
                previous={},
                hidden=secrets(arguments.values()),
            )
        )
        return sdk.InvokeResponse(outputs(arguments, said))

    async def check(self, request: CheckRequest) -> sdk.CheckResponse:
        if request.type != RESOURCE:
            raise Failed(f"this stand-in for pulumi-resource-command has no {request.type}")
        failures = [sdk.CheckFailure(*one) for one in problems(Command, request.new_inputs)]
        # The vendor writes this default into the state: absent, it would be a difference later.
        default = {"addPreviousOutputInEnv": PropertyValue(value=True)}
        return sdk.CheckResponse({**default, **request.new_inputs}, failures)

    async def diff(self, request: DiffRequest) -> sdk.DiffResponse:
        changes = difference(request.old_inputs or request.old_state, request.new_inputs)
        return sdk.DiffResponse(
            changes=bool(changes),
            replaces=["triggers"] if "triggers" in changes else [],
            diffs=list(changes),
            detailed_diff=changes,
        )

    async def create(self, request: CreateRequest) -> sdk.CreateResponse:
        inputs = request.properties
        if request.preview:
            return sdk.CreateResponse("", outputs(inputs, UNKNOWN))
        said = await self._step("create", inputs, request)
        return sdk.CreateResponse(f"{request.name}{random.token_hex(4)}", outputs(inputs, said))

    async def update(self, request: UpdateRequest) -> sdk.UpdateResponse:
        inputs = request.news
        if request.preview:
            return sdk.UpdateResponse(outputs(inputs, UNKNOWN))
        step = "update" if plain(inputs).get("update") is not None else "create"
        said = await self._step(step, inputs, request, previous=request.olds)
        return sdk.UpdateResponse(outputs(inputs, said))

    async def delete(self, request: DeleteRequest) -> None:
        state = request.properties
        # In the state every input is as secret as the most secret one; what was asked for knows.
        await self._step("delete", request.old_inputs or state, request, previous=state)

    async def read(self, request: ReadRequest) -> sdk.ReadResponse:
        return sdk.ReadResponse(request.resource_id, request.properties, request.inputs)

    async def _step(
        self,
        step: str,
        inputs: PropertyMap,
        request: CreateRequest | UpdateRequest | DeleteRequest,
        previous: PropertyMap | None = None,
    ) -> PropertyMap:
        """Run one of a resource's commands; without one, what was said before still holds."""
        before = {key: value for key, value in (previous or {}).items() if key in PREVIOUS}
        nothing = {key: PropertyValue("") for key in PREVIOUS}
        arguments = parse(Command, inputs)
        command = getattr(arguments, step)
        if command is None:
            return nothing | before
        return await self._run(
            Order(
                urn=request.urn,
                command=command,
                secret=inputs[step].contains_secret(),
                arguments=arguments,
                previous=plain(before),
                hidden=secrets(inputs.values()),
                timeout=request.timeout,
            )
        )

    async def _run(self, order: Order) -> PropertyMap:
        narrator = Narrator(partial(self._engine.tell, urn=order.urn))
        told = {stream: Lines() for stream in order.arguments.logging.streams}

        def hear(stream: Stream, part: bytes) -> None:
            if stream in told:
                tell(told[stream].feed(part))

        def tell(lines: list[str]) -> None:
            for line in lines:
                narrator.tell(masked(line, order.hidden))

        async with narrator.telling():
            ending = await self._runner.run(order.job(self._ambient), hear)
            for lines in told.values():
                tell(lines.end())
        if ending.failure:
            raise Failed(order.complaint(ending))
        return {
            stream.value: PropertyValue(ending.text(stream).removesuffix("\n")) for stream in Stream
        }


def outputs(inputs: PropertyMap, said: PropertyMap) -> PropertyMap:
    """The state: any of it may tell of any input, so one secret input makes all of it secret."""
    secret = any(value.contains_secret() for value in inputs.values())
    return {
        key: value.with_secret(is_secret=secret or value.is_secret)
        for key, value in {**inputs, **said}.items()
    }


def difference(old: PropertyMap, new: PropertyMap) -> dict[str, sdk.PropertyDiff]:
    """Inputs that changed. Only triggers make a new resource."""
    before, after = plain(old), plain(new)
    changed = [key for key in INPUTS if before.get(key) != after.get(key)]
    return {key: sdk.PropertyDiff(_kind(key, before, after), input_diff=True) for key in changed}


def _kind(
    key: str, before: Mapping[str, object], after: Mapping[str, object]
) -> sdk.PropertyDiffKind:
    change = "ADD" if before.get(key) is None else "DELETE" if after.get(key) is None else "UPDATE"
    return sdk.PropertyDiffKind[f"{change}_REPLACE" if key == "triggers" else change]
