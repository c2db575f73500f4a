"""What requests say of the resource they are about."""

import pytest

from plugins.contract import CheckRequest


@pytest.mark.parametrize(
    ("urn", "kind", "name"),
    [
        ("urn:pulumi:s::p::command:local:Command::one", "command:local:Command", "one"),
        ("urn:pulumi:s::p::a:b:C$d:e:F$kubernetes:core/v1:Pod::x", "kubernetes:core/v1:Pod", "x"),
        (
            "urn:pulumi:s::p::pulumi:providers:kubernetes::a::b",
            "pulumi:providers:kubernetes",
            "a::b",
        ),
    ],
)
def test_a_resource_has_its_own_type_and_its_whole_name(urn: str, kind: str, name: str) -> None:
    request = CheckRequest(urn, {}, {}, b"")

    assert (request.type, request.name) == (kind, name)
