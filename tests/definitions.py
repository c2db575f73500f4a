"""Custom resource definitions, and what of an object does not fit them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir
from typing import Any, TypeAlias

import go_modules
from jsonschema import Draft4Validator
from recording import ROOT

from stack import crds
from stack.crd_bundles import CrdBundle, CrdFile
from stack.problems import StackError

Schema: TypeAlias = Mapping[str, Any]
Kind: TypeAlias = tuple[str, str]
"""apiVersion and kind."""

EVERY_OBJECT: Schema = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"type": "object"},
}
"""The API server knows these fields of any kind, whether its definition has them or not."""


def had(bundle: CrdBundle) -> list[dict[str, Any]]:
    """The definitions. StackError where they are neither here nor to be had."""
    with chdir(ROOT):  # where the cache is
        try:
            crds.fetch(bundle)
        except StackError:
            if not go_modules.folder(bundle.module, bundle.version):
                raise
            crds.fetch(bundle)
        return [*crds.documents(bundle)]


def unfit(made: Mapping[str, Any], *bundles: CrdBundle) -> Iterator[str]:
    """Where the API server would prune or refuse an object; rules in CEL are not asked."""
    known = {kind: schema for bundle in bundles for kind, schema in schemas(bundle).items()}
    kind = (made["apiVersion"], made["kind"])
    if kind not in known:
        yield f"{' '.join(kind)}: no definition of it"
        return
    check: Any = Draft4Validator(known[kind])  # its types know no mapping of anything
    for error in check.iter_errors(defaulted(made, known[kind])):
        yield f"{made['kind']} {error.json_path}: {error.message}"


def defaulted(made: Any, schema: Schema) -> Any:
    """As the API server fills it in before it looks at it."""
    if "properties" in schema and _is(dict, made):
        properties: Schema = schema["properties"]
        absent = {key: one["default"] for key, one in properties.items() if "default" in one}
        there: dict[str, Any] = {**absent, **made}
        return {key: defaulted(one, properties.get(key, {})) for key, one in there.items()}
    if "items" in schema and _is(list, made):
        return [defaulted(one, schema["items"]) for one in made]
    return made


def _is(kind: type[object], value: Any) -> bool:
    return isinstance(value, kind)


def schemas(bundle: CrdBundle) -> Mapping[Kind, Schema]:
    if bundle.files not in _READ:
        _READ[bundle.files] = {
            (f"{spec['group']}/{version['name']}", spec["names"]["kind"]): _of_an_object(
                version["schema"]["openAPIV3Schema"]
            )
            for spec in (one["spec"] for one in had(bundle))
            for version in spec["versions"]
        }
    return _READ[bundle.files]


_READ: dict[tuple[CrdFile, ...], Mapping[Kind, Schema]] = {}


def _of_an_object(schema: Schema) -> Schema:
    return strict({**schema, "properties": {**schema["properties"], **EVERY_OBJECT}})


def strict(schema: Schema) -> Schema:
    """A structural schema, as a JSON schema that refuses what the API server would prune."""
    # A generator has left some of the keys without anything.
    made = {key: _within(key, value) for key, value in schema.items() if value is not None}
    open_ended = "additionalProperties" in made or made.get("x-kubernetes-preserve-unknown-fields")
    if "properties" in made and not open_ended:
        made["additionalProperties"] = False
    if made.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
    if made.get("nullable"):
        made["type"] = [made["type"], "null"]
    return made


def _within(key: str, value: Any) -> Any:
    """`allOf` and its like only add conditions: what is pruned, they do not say."""
    match key:
        case "properties":
            return {name: strict(one) for name, one in value.items()}
        case "items":
            return strict(value)
        case "additionalProperties":
            return value if isinstance(value, bool) else strict(value)
        case _:
            return value


def names(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    return [one["metadata"]["name"] for one in documents]
