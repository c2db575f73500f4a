"""What a provider written in Python is asked, and what it may answer: `server` serves it.

It has the methods of the SDK's ``pulumi.provider.experimental.provider.Provider``. What a method
raises decides what the user reads:

    Failed                  the message, nothing else
      NotInitialised        the same, and the engine keeps the object in its state
    NotImplementedError     "does not implement X"
    anything else           one line with the type and message: a defect of the plugin
"""

from collections.abc import Sequence
from typing import Protocol

from pulumi.provider.experimental import provider as sdk

from plugins.values import PropertyMap


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


class _Resource:
    """What the SDK's requests take from a URN, which it misreads in two cases."""

    urn: str

    @property
    def type(self) -> str:
        """The resource's own type: a child's URN has its parents' before it (`A$B`)."""
        return self.urn.split("::", 3)[2].rpartition("$")[2]

    @property
    def name(self) -> str:
        """The name in the program, which may hold `::` as well."""
        return self.urn.split("::", 3)[3]


class CheckRequest(_Resource, sdk.CheckRequest):
    """Of a resource, or of the provider itself."""


class DiffRequest(_Resource, sdk.DiffRequest):
    """The SDK's request plus what the user asked for last time."""

    old_inputs: PropertyMap


class CreateRequest(_Resource, sdk.CreateRequest):
    """Of a resource."""


class ReadRequest(_Resource, sdk.ReadRequest):
    """A refresh, an import, or `.get()`: then nothing but the id is known."""


class UpdateRequest(_Resource, sdk.UpdateRequest):
    """The SDK's request plus what the user asked for last time."""

    old_inputs: PropertyMap


class DeleteRequest(_Resource, sdk.DeleteRequest):
    """The SDK's request plus what the user asked for last time."""

    old_inputs: PropertyMap


class Provider(Protocol):
    """What `serve` calls. All run on one event loop: blocking work belongs in a thread."""

    async def check_config(self, request: CheckRequest, /) -> sdk.CheckResponse: ...
    async def diff_config(self, request: DiffRequest, /) -> sdk.DiffResponse: ...
    async def configure(self, request: sdk.ConfigureRequest, /) -> sdk.ConfigureResponse: ...
    async def invoke(self, request: sdk.InvokeRequest, /) -> sdk.InvokeResponse: ...
    async def check(self, request: CheckRequest, /) -> sdk.CheckResponse: ...
    async def diff(self, request: DiffRequest, /) -> sdk.DiffResponse: ...
    async def create(self, request: CreateRequest, /) -> sdk.CreateResponse: ...
    async def read(self, request: ReadRequest, /) -> sdk.ReadResponse: ...
    async def update(self, request: UpdateRequest, /) -> sdk.UpdateResponse: ...
    async def delete(self, request: DeleteRequest, /) -> None: ...
    async def cancel(self) -> None: ...
