"""The engine that started this plugin, as far as the plugin talks back to it."""

import asyncio
import contextlib
import sys
from typing import Any

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

PATIENCE = 30.0
"""Seconds for the engine to take a message; one that does not is not worth waiting for."""


class Engine:
    """The engine's log, below a resource or in its status column."""

    def __init__(self, address: str | None) -> None:
        self._stub: Any = (  # the generated stub's own types are unknown
            engine_pb2_grpc.EngineStub(grpc.insecure_channel(address)) if address else None
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

    async def tell(self, message: str, *, urn: str) -> None:
        """`progress` that returns once the engine has it: else messages overtake each other."""
        sent = self._send(message, urn, "INFO", ephemeral=True)
        if sent is not None:
            with contextlib.suppress(grpc.RpcError):  # the engine is gone: nobody to tell
                await asyncio.to_thread(sent.result)

    def _send(self, message: str, urn: str, severity: str, *, ephemeral: bool) -> Any:
        """The call under way, or None where nobody listens."""
        if self._stub is None:
            return None
        request = engine_pb2.LogRequest(
            severity=engine_pb2.LogSeverity.Value(severity),
            message=message,
            urn=urn,
            ephemeral=ephemeral,
        )
        with contextlib.suppress(grpc.RpcError, ValueError):  # ValueError: the channel is closed
            return self._stub.Log.future(request, timeout=PATIENCE)
        return None
