"""Serve a provider to the Pulumi engine, for plugins written in Python.

`serve` takes any object with the methods of `Provider` (the SDK's
``pulumi.provider.experimental.provider.Provider`` has them) and answers the engine until it goes
away. It stands in for ``pulumi.provider.experimental.server``, which shows tracebacks to users,
breaks on unknown values and on detailed diffs of providers, drops the engine's old inputs, and
cannot say "created, but not ready".

What a method raises decides what the user reads:

    Failed                  the message, nothing else
      NotInitialised        the same, and the engine keeps the object in its state
    NotImplementedError     "does not implement X"
    anything else           one line with the type and message: a defect of the plugin
"""

# ruff: noqa: N802 -- gRPC names its methods

import asyncio
import contextlib
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

import grpc
import grpc.aio
from google.protobuf import empty_pb2
from pulumi.provider.experimental import provider as sdk
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)

from plugins.values import PropertyMap, decode, encode

_MEBIBYTE = 1024 * 1024
_OPTIONS = [
    ("grpc.max_receive_message_length", 400 * _MEBIBYTE),  # as the engine's own limit
    ("grpc.max_send_message_length", 400 * _MEBIBYTE),
]
_PARENT_POLL_SECONDS = 1.0

_T = TypeVar("_T")
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Failed(Exception):  # noqa: N818  # reads as what happened: `raise Failed("...")`
    """The operation failed; the message is all that the user will read of it."""


class NotInitialised(Failed):
    """The object exists, but did not become what it should: the next `up` continues by update.

    `reasons` are shown one below the other; `properties` and `inputs` go into the state.
    """

    def __init__(
        self,
        message: str,
        *,
        resource_id: str,
        properties: PropertyMap,
        inputs: PropertyMap,
        reasons: Sequence[str],
    ) -> None:
        super().__init__(message)
        self.resource_id = resource_id
        self.properties = properties
        self.inputs = inputs
        self.reasons = reasons


class DiffRequest(sdk.DiffRequest):
    """The SDK's request plus what the user asked for last time."""

    old_inputs: PropertyMap


class UpdateRequest(sdk.UpdateRequest):
    """The SDK's request plus what the user asked for last time."""

    old_inputs: PropertyMap


class DeleteRequest(sdk.DeleteRequest):
    """The SDK's request plus what the user asked for last time."""

    old_inputs: PropertyMap


class Provider(Protocol):
    """What `serve` calls. All run on one event loop: blocking work belongs in a thread."""

    async def check_config(self, request: sdk.CheckRequest, /) -> sdk.CheckResponse: ...
    async def diff_config(self, request: DiffRequest, /) -> sdk.DiffResponse: ...
    async def configure(self, request: sdk.ConfigureRequest, /) -> sdk.ConfigureResponse: ...
    async def invoke(self, request: sdk.InvokeRequest, /) -> sdk.InvokeResponse: ...
    async def check(self, request: sdk.CheckRequest, /) -> sdk.CheckResponse: ...
    async def diff(self, request: DiffRequest, /) -> sdk.DiffResponse: ...
    async def create(self, request: sdk.CreateRequest, /) -> sdk.CreateResponse: ...
    async def read(self, request: sdk.ReadRequest, /) -> sdk.ReadResponse: ...
    async def update(self, request: UpdateRequest, /) -> sdk.UpdateResponse: ...
    async def delete(self, request: DeleteRequest, /) -> None: ...
    async def cancel(self) -> None: ...


class Engine:
    """The engine that started this plugin, as far as the plugin talks back to it."""

    def __init__(self, address: str | None) -> None:
        self._stub: Any = (  # the generated stub's own types are unknown
            engine_pb2_grpc.EngineStub(grpc.insecure_channel(address, options=_OPTIONS))
            if address
            else None
        )

    @classmethod
    def from_argv(cls) -> "Engine":
        """The engine passes its address as the only argument that is not a flag."""
        return cls(next((arg for arg in sys.argv[1:] if not arg.startswith("-")), None))

    def log(self, message: str, *, urn: str = "", severity: str = "INFO") -> None:
        """Show a line below the resource. `severity`: DEBUG, INFO, WARNING or ERROR. Any thread."""
        self._send(message, urn, severity, ephemeral=False)

    def progress(self, message: str, *, urn: str) -> None:
        """Show what is awaited, in the resource's status column, until the next such line."""
        self._send(message, urn, "INFO", ephemeral=True)

    def _send(self, message: str, urn: str, severity: str, *, ephemeral: bool) -> None:
        if self._stub is None:
            return
        request = engine_pb2.LogRequest(
            severity=engine_pb2.LogSeverity.Value(severity),
            message=message,
            urn=urn,
            ephemeral=ephemeral,
        )
        with contextlib.suppress(grpc.RpcError, ValueError):  # ValueError: the channel is closed
            self._stub.Log.future(request)


def serve(provider: Provider, version: str) -> None:
    """Answer the engine until it stops asking: prints the port, and returns when told to end."""
    logging.getLogger("grpc").setLevel(logging.CRITICAL)  # it prints tracebacks on stderr
    port_out = _only_for_the_port()
    _end_with_parent()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(provider, version, port_out))


async def _serve(provider: Provider, version: str, port_out: int) -> None:
    server = grpc.aio.server(options=_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(_Servicer(provider, version), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    os.write(port_out, f"{port}\n".encode())
    await server.wait_for_termination()


def _only_for_the_port() -> int:
    """Point stdout at stderr: the engine reads the port there, a stray print would break it."""
    real = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return real


def _end_with_parent() -> None:
    """Leave when the engine is gone, killed or not.

    Polled: PR_SET_PDEATHSIG fires when the *thread* that forked ends, and Go's threads come and go.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


def _failures(failures: Sequence[sdk.CheckFailure] | None) -> list[provider_pb2.CheckFailure]:
    return [
        provider_pb2.CheckFailure(property=failure.property, reason=failure.reason)
        for failure in failures or []
    ]


def _check_response(response: sdk.CheckResponse) -> provider_pb2.CheckResponse:
    return provider_pb2.CheckResponse(
        inputs=encode(response.inputs or {}), failures=_failures(response.failures)
    )


def _diff_response(response: sdk.DiffResponse) -> provider_pb2.DiffResponse:
    changes = {
        None: provider_pb2.DiffResponse.DIFF_UNKNOWN,
        True: provider_pb2.DiffResponse.DIFF_SOME,
        False: provider_pb2.DiffResponse.DIFF_NONE,
    }[response.changes]
    return provider_pb2.DiffResponse(
        replaces=response.replaces,
        stables=response.stables,
        deleteBeforeReplace=response.delete_before_replace,
        changes=changes,
        diffs=response.diffs,
        detailedDiff={
            path: provider_pb2.PropertyDiff(
                kind=provider_pb2.PropertyDiff.Kind.Value(diff.kind.name),
                inputDiff=diff.input_diff,
            )
            for path, diff in response.detailed_diff.items()
        },
        hasDetailedDiff=bool(response.detailed_diff),
    )


def _check_request(request: provider_pb2.CheckRequest) -> sdk.CheckRequest:
    return sdk.CheckRequest(
        request.urn, decode(request.olds), decode(request.news), request.randomSeed
    )


def _diff_request(request: provider_pb2.DiffRequest) -> DiffRequest:
    asked = DiffRequest(
        request.urn,
        request.id,
        decode(request.olds),
        decode(request.news),
        list(request.ignoreChanges),
    )
    asked.old_inputs = decode(request.old_inputs)
    return asked


def _not_initialised(error: NotInitialised) -> tuple[tuple[str, bytes], ...]:
    """The trailing metadata by which the engine tells "not ready" from "not created"."""
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
    status.details.add().Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.resource_id,
            properties=encode(error.properties),
            inputs=encode(error.inputs),
            reasons=error.reasons,
        )
    )
    return (("grpc-status-details-bin", status.SerializeToString()),)


async def _answer(context: _Context, work: Awaitable[_T]) -> _T:
    """What `work` answers, or the end of the call with what the user should read."""
    try:
        return await work
    except NotInitialised as error:
        metadata = _not_initialised(error)
        await context.abort(grpc.StatusCode.UNKNOWN, str(error), metadata)
    except Failed as error:
        await context.abort(grpc.StatusCode.UNKNOWN, str(error))
    except NotImplementedError as error:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, str(error))
    except Exception as error:  # noqa: BLE001  # the last resort: whatever it is, no traceback
        if os.environ.get("PLUGIN_TRACEBACK"):
            traceback.print_exc()
        text = f"the plugin failed: {type(error).__name__}: {error}"
        await context.abort(grpc.StatusCode.INTERNAL, text)
    raise AssertionError  # abort never returns


def _unimplemented(name: str) -> Any:  # the base class's own types are unknown
    async def answer(_self: object, _request: object, context: _Context) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"this plugin does not implement {name}")

    return answer


class _Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """One method for each call the engine makes; nothing but translation."""

    def __init__(self, provider: Provider, version: str) -> None:
        super().__init__()
        self._provider = provider
        self._version = version

    async def GetPluginInfo(
        self,
        request: empty_pb2.Empty,  # noqa: ARG002  # gRPC passes it
        context: _Context,  # noqa: ARG002
    ) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self._version)

    async def Cancel(
        self,
        request: empty_pb2.Empty,
        context: _Context,  # noqa: ARG002
    ) -> empty_pb2.Empty:
        await self._provider.cancel()
        return request

    async def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: _Context
    ) -> provider_pb2.CheckResponse:
        work = self._provider.check_config(_check_request(request))
        return _check_response(await _answer(context, work))

    async def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: _Context
    ) -> provider_pb2.DiffResponse:
        work = self._provider.diff_config(_diff_request(request))
        return _diff_response(await _answer(context, work))

    async def Configure(
        self, request: provider_pb2.ConfigureRequest, context: _Context
    ) -> provider_pb2.ConfigureResponse:
        asked = sdk.ConfigureRequest(
            dict(request.variables),
            decode(request.args),
            request.acceptSecrets,
            request.acceptResources,
        )
        response = await _answer(context, self._provider.configure(asked))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=response.accept_secrets,
            supportsPreview=response.supports_preview,
            acceptResources=response.accept_resources,
            acceptOutputs=response.accept_outputs,
        )

    async def Invoke(
        self, request: provider_pb2.InvokeRequest, context: _Context
    ) -> provider_pb2.InvokeResponse:
        work = self._provider.invoke(sdk.InvokeRequest(request.tok, decode(request.args)))
        response = await _answer(context, work)
        answer: Mapping[str, Any] = {
            "return": encode(response.return_value or {}),  # a keyword, hence the mapping
            "failures": _failures(response.failures),
        }
        return provider_pb2.InvokeResponse(**answer)

    async def Check(
        self, request: provider_pb2.CheckRequest, context: _Context
    ) -> provider_pb2.CheckResponse:
        work = self._provider.check(_check_request(request))
        return _check_response(await _answer(context, work))

    async def Diff(
        self, request: provider_pb2.DiffRequest, context: _Context
    ) -> provider_pb2.DiffResponse:
        work = self._provider.diff(_diff_request(request))
        return _diff_response(await _answer(context, work))

    async def Create(
        self, request: provider_pb2.CreateRequest, context: _Context
    ) -> provider_pb2.CreateResponse:
        asked = sdk.CreateRequest(
            request.urn, decode(request.properties), request.timeout, request.preview
        )
        response = await _answer(context, self._provider.create(asked))
        return provider_pb2.CreateResponse(
            id=response.resource_id or "", properties=encode(response.properties)
        )

    async def Read(
        self, request: provider_pb2.ReadRequest, context: _Context
    ) -> provider_pb2.ReadResponse:
        asked = sdk.ReadRequest(
            request.urn, request.id, decode(request.properties), decode(request.inputs)
        )
        response = await _answer(context, self._provider.read(asked))
        return provider_pb2.ReadResponse(
            id=response.resource_id or "",
            properties=encode(response.properties),
            inputs=encode(response.inputs),
        )

    async def Update(
        self, request: provider_pb2.UpdateRequest, context: _Context
    ) -> provider_pb2.UpdateResponse:
        asked = UpdateRequest(
            request.urn,
            request.id,
            decode(request.olds),
            decode(request.news),
            timeout=request.timeout,
            ignore_changes=list(request.ignoreChanges),
            preview=request.preview,
        )
        asked.old_inputs = decode(request.old_inputs)
        response = await _answer(context, self._provider.update(asked))
        return provider_pb2.UpdateResponse(properties=encode(response.properties))

    async def Delete(
        self, request: provider_pb2.DeleteRequest, context: _Context
    ) -> empty_pb2.Empty:
        asked = DeleteRequest(
            request.urn, request.id, decode(request.properties), timeout=request.timeout
        )
        asked.old_inputs = decode(request.old_inputs)
        await _answer(context, self._provider.delete(asked))
        return empty_pb2.Empty()

    Attach = _unimplemented("Attach")
    Call = _unimplemented("Call")
    Construct = _unimplemented("Construct")
    GetMapping = _unimplemented("GetMapping")
    GetMappings = _unimplemented("GetMappings")
    GetSchema = _unimplemented("GetSchema")
    Handshake = _unimplemented("Handshake")
    List = _unimplemented("List")
    Parameterize = _unimplemented("Parameterize")
