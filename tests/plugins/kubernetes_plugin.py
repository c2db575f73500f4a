"""The started Kubernetes plugin as its engine sees it, and a real API server behind it."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulumi.runtime.proto import provider_pb2, status_pb2
from started_plugin import Log, Plugin

from plugins.values import Object, PropertyMap, decode, encode, plain, secret_paths, typed
from plugins.values import Path as Where
from tools import resolve


@dataclass(frozen=True)
class Kept:
    """What the engine would keep of an object."""

    id: str
    name: str
    type: str
    inputs: PropertyMap
    outputs: PropertyMap

    @property
    def asked(self) -> Object:
        return plain(self.inputs)

    @property
    def live(self) -> Object:
        return plain(self.outputs)

    @property
    def secrets(self) -> set[Where]:
        return secret_paths(self.outputs)


@dataclass(frozen=True)
class NotReady:
    """What the plugin says of an object that exists, but is not ready."""

    reasons: Sequence[str]
    kept: Kept


def token(obj: Object) -> str:
    version = obj["apiVersion"]
    return f"kubernetes:{version if '/' in version else f'core/{version}'}:{obj['kind']}"


@dataclass(frozen=True)
class Objects:
    """Calls of the engine, for objects of any kind."""

    plugin: Plugin

    @property
    def log(self) -> Log:
        return self.plugin.log

    def check(
        self,
        obj: Object,
        *,
        old: PropertyMap | None = None,
        name: str = "one",
        secrets: Sequence[Where] = (),
    ) -> Any:
        return self.plugin.stub.Check(
            provider_pb2.CheckRequest(
                urn=_urn(token(obj), name),
                olds=encode(old or {}),
                news=encode(typed(obj, secrets)),
                randomSeed=b"seed",
            )
        )

    def checked(self, obj: Object, **more: Any) -> PropertyMap:
        response = self.check(obj, **more)
        assert not response.failures, response.failures
        return decode(response.inputs)

    def create(
        self,
        obj: Object,
        *,
        preview: bool = False,
        timeout: float = 20,
        name: str = "one",
        secrets: Sequence[Where] = (),
    ) -> Kept:
        inputs = self.checked(obj, name=name, secrets=secrets)
        response = self.plugin.stub.Create(
            provider_pb2.CreateRequest(
                urn=_urn(token(obj), name),
                properties=encode(inputs),
                timeout=timeout,
                preview=preview,
            )
        )
        return Kept(response.id, name, token(obj), inputs, decode(response.properties))

    def diff(self, old: Kept, new: Object, ignore: Sequence[str] = ()) -> Any:
        return self.plugin.stub.Diff(
            provider_pb2.DiffRequest(
                urn=_urn(old.type, old.name),
                id=old.id,
                olds=encode(old.outputs),
                old_inputs=encode(old.inputs),
                news=encode(self.checked(new, old=old.inputs, name=old.name)),
                ignoreChanges=ignore,
            )
        )

    def update(
        self,
        old: Kept,
        new: Object,
        *,
        preview: bool = False,
        timeout: float = 20,
        ignore: Sequence[str] = (),
    ) -> Kept:
        inputs = self.checked(new, old=old.inputs, name=old.name)
        response = self.plugin.stub.Update(
            provider_pb2.UpdateRequest(
                urn=_urn(old.type, old.name),
                id=old.id,
                olds=encode(old.outputs),
                old_inputs=encode(old.inputs),
                news=encode(inputs),
                preview=preview,
                timeout=timeout,
                ignoreChanges=ignore,
            )
        )
        return Kept(old.id, old.name, old.type, inputs, decode(response.properties))

    def read(self, old: Kept) -> Kept:
        return self._read(old.id, old.name, old.type, old)

    def read_id(self, resource_id: str, type_token: str) -> Kept:
        """Read what no state knows of: `.get()` and imports."""
        return self._read(resource_id, "one", type_token, None)

    def _read(self, resource_id: str, name: str, type_token: str, old: Kept | None) -> Kept:
        response = self.plugin.stub.Read(
            provider_pb2.ReadRequest(
                urn=_urn(type_token, name),
                id=resource_id,
                properties=encode(old.outputs if old else {}),
                inputs=encode(old.inputs if old else {}),
            )
        )
        return Kept(
            response.id, name, type_token, decode(response.inputs), decode(response.properties)
        )

    def delete(self, old: Kept, *, timeout: float = 20) -> None:
        self.plugin.stub.Delete(
            provider_pb2.DeleteRequest(
                urn=_urn(old.type, old.name),
                id=old.id,
                properties=encode(old.outputs),
                old_inputs=encode(old.inputs),
                timeout=timeout,
            )
        )

    def check_config(self, **options: Any) -> Any:
        return self.plugin.stub.CheckConfig(
            provider_pb2.CheckRequest(urn=_urn(PROVIDER, "p"), news=encode(typed(options)))
        )

    def diff_config(self, old: Object, new: Object) -> Any:
        return self.plugin.stub.DiffConfig(
            provider_pb2.DiffRequest(
                urn=_urn(PROVIDER, "p"),
                id="p",
                olds=encode(typed(old)),
                old_inputs=encode(typed(old)),
                news=encode(typed(new)),
            )
        )


PROVIDER = "pulumi:providers:kubernetes"


def _urn(type_token: str, name: str) -> str:
    return f"urn:pulumi:test::project::{type_token}::{name}"


def not_ready(error: Any, obj: Object) -> NotReady:
    """The engine's reading of an error: the object behind it goes into the state."""
    metadata = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    kept = Kept(
        detail.id, "one", token(obj), decode(detail.inputs) or typed(obj), decode(detail.properties)
    )
    return NotReady(list(detail.reasons), kept)


@dataclass(frozen=True)
class Kubectl:
    """Someone else at the same cluster."""

    kubeconfig: Path
    namespace: str = "default"

    def __call__(self, *words: str, stdin: str = "", check: bool = True) -> str:
        done = subprocess.run(  # noqa: S603
            [
                resolve("kubectl"),
                f"--kubeconfig={self.kubeconfig}",
                f"--namespace={self.namespace}",
                *words,
            ],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout
