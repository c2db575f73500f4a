"""Serve a provider to the Pulumi engine that started this process, until it goes away."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time

import grpc.aio
from pulumi.runtime.proto import provider_pb2_grpc

from plugins.contract import Provider
from plugins.servicer import Servicer

_MEBIBYTE = 1024 * 1024
_OPTIONS = [
    ("grpc.max_receive_message_length", 400 * _MEBIBYTE),  # as the engine's own limit
    ("grpc.max_send_message_length", 400 * _MEBIBYTE),
]
_PARENT_POLL_SECONDS = 0.5
_FAREWELL_SECONDS = 3.0


def serve(provider: Provider, version: str) -> None:
    """Answer the engine until it stops asking: prints the port, and returns when told to end."""
    logging.getLogger("grpc").setLevel(logging.CRITICAL)  # it prints tracebacks on stderr
    port_out = _only_for_the_port()
    _end_with_parent()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(provider, version, port_out))


async def _serve(provider: Provider, version: str, port_out: int) -> None:
    server = grpc.aio.server(options=_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(provider, version), server)
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
    What runs is told to end as by Ctrl-C, so that it cleans up, and left behind if it does not.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(_FAREWELL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()
