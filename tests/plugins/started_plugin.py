"""A started plugin, and an engine that hears it: what the conformance tests talk to.

PLUGIN=vendor takes the vendor's binary from PULUMI_HOME instead of ours.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2, provider_pb2_grpc

from plugins.values import Object, PropertyMap, decode, encode, plain, typed

ROOT = Path(__file__).parents[2]
VENDOR = os.environ.get("PLUGIN") == "vendor"
ours_only = pytest.mark.skipif(VENDOR, reason="the vendor's plugin does not promise it")

Secrets = tuple[tuple[str, ...], ...]


def executable(name: str) -> Path:
    """`pulumi-resource-<name>`: ours, or the vendor's."""
    if not VENDOR:
        return ROOT / "plugins/bin" / f"pulumi-resource-{name}"
    home = Path(os.environ.get("PULUMI_HOME", Path.home() / ".pulumi"))
    found = sorted(home.glob(f"plugins/resource-{name}-v*/pulumi-resource-{name}"))
    assert found, f"no vendor's plugin `{name}` in {home}"
    return found[-1]


class Log(engine_pb2_grpc.EngineServicer):
    """The engine's ear."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self._heard = threading.Condition()

    def Log(self, request: Any, context: object) -> empty_pb2.Empty:  # noqa: ARG002, N802
        with self._heard:
            self.messages.append(request)
            self._heard.notify_all()
        return empty_pb2.Empty()

    @property
    def text(self) -> str:
        return "\n".join(message.message for message in self.messages)

    def wait_for(self, text: str, seconds: float = 10) -> None:
        with self._heard:
            assert self._heard.wait_for(lambda: text in self.text, seconds), self.text


@dataclass(frozen=True)
class Answer:
    """What a call came back with; `secret` names the properties that are marked so."""

    id: str
    outputs: Object
    secret: frozenset[str] = frozenset()

    @classmethod
    def of(cls, resource_id: str, properties: PropertyMap) -> "Answer":
        marked = frozenset(key for key, value in properties.items() if value.is_secret)
        return cls(resource_id, plain(properties), marked)


@dataclass(frozen=True)
class Plugin:
    """A plugin that answers, typed as one resource of it."""

    process: subprocess.Popen[bytes]
    stub: Any
    log: Log
    urn: str

    def check(self, inputs: Object) -> Any:
        return self.stub.Check(provider_pb2.CheckRequest(urn=self.urn, news=encode(typed(inputs))))

    def checked(self, inputs: Object) -> Object:
        return plain(decode(self.check(inputs).inputs))

    def diff(self, old: Object, new: Object) -> Any:
        before = encode(typed(self.checked(old)))
        return self.stub.Diff(
            provider_pb2.DiffRequest(
                urn=self.urn,
                id="one",
                olds=before,
                old_inputs=before,
                news=encode(typed(self.checked(new))),
            )
        )

    def create(
        self,
        inputs: Object,
        *,
        secrets: Secrets = (),
        timeout: float = 0,
        preview: bool = False,
    ) -> Answer:
        response = self.stub.Create(
            provider_pb2.CreateRequest(
                urn=self.urn,
                properties=encode(typed(self.checked(inputs), secrets)),
                timeout=timeout,
                preview=preview,
            )
        )
        return Answer.of(response.id, decode(response.properties))

    def update(self, old: Answer, inputs: Object, *, preview: bool = False) -> Answer:
        response = self.stub.Update(
            provider_pb2.UpdateRequest(
                urn=self.urn,
                id=old.id,
                olds=encode(typed(old.outputs)),
                news=encode(typed(self.checked(inputs))),
                preview=preview,
            )
        )
        return Answer.of(old.id, decode(response.properties))

    def delete(self, old: Answer) -> None:
        self.stub.Delete(
            provider_pb2.DeleteRequest(
                urn=self.urn, id=old.id, properties=encode(typed(old.outputs))
            )
        )

    def invoke(self, token: str, arguments: Object, *, secrets: Secrets = ()) -> Answer:
        response = self.stub.Invoke(
            provider_pb2.InvokeRequest(tok=token, args=encode(typed(arguments, secrets)))
        )
        reasons = [f"{one.property}: {one.reason}" for one in response.failures]
        assert not reasons, reasons
        return Answer.of("", decode(getattr(response, "return")))


@dataclass
class Call:
    """A call that runs on while the test goes on."""

    work: Callable[[], object]
    error: str = ""
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.work()
        except grpc.RpcError as error:
            self.error = details(error)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def ended(self, seconds: float = 15) -> str:
        """Its error, once it has come back."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the call goes on"
        return self.error


def details(error: grpc.RpcError) -> str:
    return str(error.details()) if isinstance(error, grpc.Call) else str(error)


@contextlib.contextmanager
def failing() -> Generator[list[str]]:
    """The block's call must fail; what the user reads is put into the list."""
    said: list[str] = []
    with pytest.raises(grpc.RpcError) as caught:
        yield said
    said.append(details(caught.value))


@contextlib.contextmanager
def started(
    name: str,
    resource: str,
    *,
    under: tuple[str, ...] = (),
    cwd: Path = ROOT,
    environment: Mapping[str, str] = os.environ,
    options: Mapping[str, str] | None = None,
) -> Generator[Plugin]:
    """Start the plugin, `under` another program if one is given, and end it afterwards.

    `options` are the provider's own, as its configuration variables.
    """
    log = Log()
    engine = grpc.server(ThreadPoolExecutor(4))
    engine_pb2_grpc.add_EngineServicer_to_server(log, engine)
    address = f"127.0.0.1:{engine.add_insecure_port('127.0.0.1:0')}"
    engine.start()
    process = subprocess.Popen(  # noqa: S603
        [*under, str(executable(name)), address],
        stdout=subprocess.PIPE,
        start_new_session=True,
        cwd=cwd,
        env=dict(environment),
    )
    assert process.stdout
    port = int(process.stdout.readline())
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = provider_pb2_grpc.ResourceProviderStub(channel)
            stub.Configure(
                provider_pb2.ConfigureRequest(
                    variables={
                        f"{name}:config:{key}": str(value) for key, value in (options or {}).items()
                    },
                    acceptSecrets=True,
                    acceptResources=True,
                )
            )
            yield Plugin(process, stub, log, f"urn:pulumi:test::project::{resource}::one")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        engine.stop(None)


ENGINE = (
    sys.executable,
    "-c",
    "import subprocess, sys; sys.exit(subprocess.Popen(sys.argv[1:]).wait())",
)
"""A program that starts the plugin as its child, as the engine does."""


def alive(pid: int) -> bool:
    """Whether the process has not ended; one that is only not reaped yet has."""
    listing = subprocess.run(  # noqa: S603
        ["ps", "-o", "stat=", "-p", str(pid)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    return bool(listing.stdout.strip()) and not listing.stdout.startswith("Z")


def eventually(what: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
