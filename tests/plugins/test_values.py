"""What the engine sends is what plugins see, and the other way round."""

from typing import Any

import pytest
from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime import rpc

from plugins.values import (
    UNKNOWN,
    at,
    decode,
    encode,
    has_unknown,
    plain,
    secret_paths,
    typed,
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**53), max_value=2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.just(UNKNOWN)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(max_size=8), VALUES, max_size=5)


@given(OBJECTS)
def test_a_value_survives_the_way_to_the_engine_and_back(value: dict[str, Any]) -> None:
    assert plain(decode(encode(typed(value)))) == value


@given(OBJECTS)
def test_no_unknown_gets_past_the_check_for_unknowns(value: dict[str, Any]) -> None:
    assert has_unknown(value) is ("UNKNOWN" in repr(value).replace("'UNKNOWN'", ""))


@pytest.mark.parametrize("number", [1, 1.0])
def test_a_whole_number_is_an_integer(number: float) -> None:
    value = plain(decode(encode(typed({"replicas": number}))))["replicas"]
    assert (value, type(value)) == (1, int)


def test_a_boolean_is_no_number() -> None:
    assert plain(decode(encode(typed({"on": True, "off": False})))) == {"on": True, "off": False}


def test_an_unknown_travels_as_the_string_the_engine_knows() -> None:
    sent = encode(typed({"spec": {"host": UNKNOWN}}))
    assert sent.fields["spec"].struct_value.fields["host"].string_value == rpc.UNKNOWN


def test_a_secret_keeps_its_place_on_the_way_and_back() -> None:
    sent = encode(typed({"spec": {"token": "t", "host": "h"}}, {("spec", "token")}))
    assert secret_paths(decode(sent)) == {("spec", "token")}


def test_a_list_with_a_secret_in_it_is_secret_as_a_whole() -> None:
    inside = PropertyValue([PropertyValue({"value": PropertyValue("t", is_secret=True)})])
    assert secret_paths({"env": inside}) == {("env",)}


def test_an_output_that_has_no_value_yet_is_unknown() -> None:
    envelope = struct_pb2.Struct()
    envelope.update({rpc._special_sig_key: rpc._special_output_value_sig, "secret": True})  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    outer = struct_pb2.Struct(fields={"a": struct_pb2.Value(struct_value=envelope)})

    value = decode(outer)

    assert plain(value) == {"a": UNKNOWN}
    assert secret_paths(value) == {("a",)}


@pytest.mark.parametrize(
    ("path", "expected"),
    [(("a", "b"), 1), (("a", "x"), None), (("a", "b", "c"), None), ((), {"a": {"b": 1}})],
)
def test_a_path_finds_what_lies_there_or_nothing(path: tuple[str, ...], expected: Any) -> None:
    assert at({"a": {"b": 1}}, *path) == expected
