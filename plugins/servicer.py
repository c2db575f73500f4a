"""The engine's gRPC calls as a provider's methods: nothing but translation.

It stands in for ``pulumi.provider.experimental.server``, which shows tracebacks to users, breaks on
unknown values and on detailed diffs of providers, drops the engine's old inputs, and cannot say
"created, but not ready".
"""

# ruff: noqa: N802 -- gRPC names its methods

import os
import traceback
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import grpc
import grpc.aio
from google.protobuf import empty_pb2
from pulumi.provider.experimental import provider as sdk
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from plugins.contract import (
    CheckRequest,
    CreateRequest,
    DeleteRequest,
    DiffRequest,
    Failed,
    NotInitialised,
    Provider,
    ReadRequest,
    UpdateRequest,
)
from plugins.values import decode, encode

_T = TypeVar("_T")
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


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


def _check_request(request: provider_pb2.CheckRequest) -> CheckRequest:
    return CheckRequest(request.urn, decode(request.olds), decode(request.news), request.randomSeed)


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


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """One method for each call the engine makes."""

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
        asked = CreateRequest(
            request.urn, decode(request.properties), request.timeout, request.preview
        )
        response = await _answer(context, self._provider.create(asked))
        return provider_pb2.CreateResponse(
            id=response.resource_id or "", properties=encode(response.properties)
        )

    async def Read(
        self, request: provider_pb2.ReadRequest, context: _Context
    ) -> provider_pb2.ReadResponse:
        asked = ReadRequest(
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
