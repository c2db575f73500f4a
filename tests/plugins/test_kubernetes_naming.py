"""Names that the program left to the plugin."""

import pytest

from plugins.kubernetes import naming
from plugins.values import UNKNOWN, Object

SEED = b"seed"


def test_an_object_without_a_name_gets_its_logical_name_and_eight_digits() -> None:
    named = naming.with_name({"metadata": {}}, {}, logical="web", seed=SEED)
    assert named["metadata"]["name"] == f"web-{naming.suffix(SEED)}"
    assert len(naming.suffix(SEED)) == 8
    assert set(naming.suffix(SEED)) <= set("0123456789abcdef")
    assert naming.autonamed(named)


def test_an_object_without_metadata_gets_a_name_too() -> None:
    assert naming.named(naming.with_name({}, {}, logical="web", seed=SEED))


def test_the_same_seed_names_an_object_the_same() -> None:
    assert naming.suffix(SEED) == naming.suffix(SEED)
    assert naming.suffix(SEED) != naming.suffix(b"other")


def test_without_a_seed_every_name_is_another() -> None:
    assert naming.suffix() != naming.suffix()


def test_an_autonamed_object_keeps_its_name() -> None:
    old = naming.with_name({}, {}, logical="web", seed=SEED)
    new = naming.with_name({"metadata": {"labels": {"a": "b"}}}, old, logical="web", seed=b"new")
    assert new["metadata"]["name"] == old["metadata"]["name"]
    assert naming.autonamed(new)
    assert new["metadata"]["labels"] == {"a": "b"}


def test_dropping_the_name_of_a_named_object_names_nothing() -> None:
    old = {"metadata": {"name": "web"}}
    assert not naming.named(naming.with_name({"metadata": {}}, old, logical="web", seed=SEED))


@pytest.mark.parametrize(
    "metadata", [{"name": "mine"}, {"name": UNKNOWN}, {"generateName": "mine-"}, UNKNOWN]
)
def test_a_name_that_the_program_gives_or_will_give_is_left_alone(metadata: object) -> None:
    obj = {"metadata": metadata}
    assert naming.with_name(obj, {}, logical="web", seed=SEED) == obj


def test_annotations_that_are_not_known_yet_stay_so() -> None:
    named = naming.with_name({"metadata": {"annotations": UNKNOWN}}, {}, logical="w", seed=SEED)
    assert named["metadata"]["annotations"] is UNKNOWN


@pytest.mark.parametrize(
    ("metadata", "identity"),
    [({"name": "web", "namespace": "demo"}, "demo/web"), ({"name": "web"}, "web")],
)
def test_an_id_is_the_namespace_and_the_name(metadata: Object, identity: str) -> None:
    assert naming.identity({"metadata": metadata}) == identity
    assert naming.parse_identity(identity) == (metadata.get("namespace"), metadata["name"])


@pytest.mark.parametrize("text", ["", "/", "a/", "/b", "a/b/c"])
def test_an_id_of_no_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="names no object"):
        naming.parse_identity(text)
