"""What of a state goes when the stack's own cluster is gone."""

from pathlib import Path
from typing import Any

import pytest

from tools import Missing, own_cluster, stack
from tools.places import Places

HOME = "urn:pulumi:mine::llm-d::"
ROOT = f"{HOME}pulumi:pulumi:Stack::llm-d-mine"
COMPONENT = f"{HOME}llm-d:components:Cluster::cluster"
OWNER = f"{HOME}llm-d:components:Cluster$command:local:Command::cluster"
PROVIDER = f"{HOME}llm-d:components:Cluster$pulumi:providers:kubernetes::cluster"
NAMESPACE = f"{HOME}llm-d:components:Namespace::namespace"


def of(urn: str, *, parent: str = ROOT, **said: Any) -> dict[str, Any]:
    type_ = urn.split("::")[2].rsplit("$", maxsplit=1)[-1]
    custom = ":components:" not in type_
    return {"urn": urn, "type": type_, "parent": parent, "custom": custom, **said}


STATE: dict[str, Any] = {
    "manifest": {"version": "3"},
    "resources": [
        {"urn": ROOT, "type": "pulumi:pulumi:Stack", "custom": False},
        of(COMPONENT),
        of(OWNER, parent=COMPONENT),
        of(PROVIDER, parent=COMPONENT, dependencies=[OWNER]),
        of(NAMESPACE, deletedWith=OWNER, dependencies=[OWNER, COMPONENT]),
        of(
            f"{NAMESPACE.replace('::namespace', '')}$kubernetes:core/v1:Namespace::namespace",
            parent=NAMESPACE,
            provider=f"{PROVIDER}::id",
            deletedWith=OWNER,
        ),
        of(
            f"{HOME}command:local:Command::image",
            propertyDependencies={"environment": [OWNER], "create": None},
        ),
        of(f"{HOME}command:local:Command::loaded-image", deletedWith=OWNER),
    ],
}


def test_what_was_on_a_cluster_that_is_gone_goes_and_what_refers_to_it_stays_whole() -> None:
    kept = {one["urn"]: one for one in own_cluster.forgotten(STATE)["resources"]}

    assert [*kept] == [ROOT, COMPONENT, NAMESPACE, f"{HOME}command:local:Command::image"]
    assert kept[NAMESPACE]["dependencies"] == [COMPONENT]
    assert "deletedWith" not in kept[NAMESPACE]
    assert kept[f"{HOME}command:local:Command::image"]["propertyDependencies"] == {
        "environment": [],
        "create": [],
    }
    assert own_cluster.forgotten(STATE)["manifest"] == STATE["manifest"]
    assert own_cluster.forgotten({}) == {"resources": []}


def test_what_makes_the_cluster_is_told_from_other_commands() -> None:
    assert own_cluster.owners(STATE) == [OWNER]


def test_what_is_to_be_kept_is_one_of_three_words(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.mine.yaml").write_text("config: {}\n")

    with pytest.raises(Missing, match=r"KEEP=everything: not known\n.*nothing, stopped, running"):
        stack.main("down", "mine", Places(root=tmp_path, cache=tmp_path), keep="everything")


def test_a_cluster_that_is_elsewhere_is_not_stopped_from_here(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.mine.yaml").write_text("config: {}\n")

    with pytest.raises(Missing, match="KEEP=stopped: stack mine has no cluster on this machine"):
        stack.main("down", "mine", Places(root=tmp_path, cache=tmp_path), keep="stopped")
