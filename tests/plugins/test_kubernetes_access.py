"""From a kubeconfig to one context of it: the named one, or none."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.kubernetes.access import Access, UnreachableError, active_cluster, resolve
from plugins.kubernetes.settings import read
from plugins.values import Object


def kubeconfig(*names: str, current: str | None = None, **cluster: Any) -> Object:
    """A configuration with a context, a cluster and a user of each name."""
    return {
        "current-context": current or "",
        "contexts": [{"name": n, "context": {"cluster": n, "user": n}} for n in names],
        "clusters": [
            {"name": n, "cluster": {"server": f"https://{n}:6443", **cluster}} for n in names
        ],
        "users": [{"name": n, "user": {"token": f"token-of-{n}"}} for n in names],
    }


def find(environment: dict[str, str] | None = None, **options: str) -> Access:
    variables = {f"kubernetes:config:{key}": value for key, value in options.items()}
    return resolve(read(variables, {}), environment or {"HOME": "/nonexistent"})


TWO = kubeconfig("one", "two", current="one")


@pytest.mark.parametrize("write", [yaml.safe_dump, json.dumps])
def test_the_content_of_a_kubeconfig_will_do(write: Any) -> None:
    assert find(kubeconfig=write(TWO)).server == "https://one:6443"


def test_the_path_of_a_kubeconfig_will_do(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(TWO))
    found = find(kubeconfig=str(file), context="two")
    assert (found.server, found.user) == ("https://two:6443", {"token": "token-of-two"})
    assert found.source == str(file)


def test_without_an_option_the_named_context_of_the_users_own_configuration_is_used(
    tmp_path: Path,
) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(TWO))
    assert find({"KUBECONFIG": str(file)}, context="two").context == "two"
    (tmp_path / ".kube").mkdir()
    file.rename(tmp_path / ".kube" / "config")
    assert find({"HOME": str(tmp_path)}, context="two").context == "two"


def test_the_current_context_of_the_users_own_configuration_is_never_taken(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(TWO))
    with pytest.raises(UnreachableError, match=f"nor a context of {file}, and the current one"):
        find({"KUBECONFIG": str(file)})


def test_of_several_files_the_first_to_define_a_name_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(yaml.safe_dump(kubeconfig("one", namespace="x")))
    second.write_text(yaml.safe_dump(kubeconfig("one", "two", current="two")))
    environment = {"KUBECONFIG": f"{first}:{tmp_path / 'missing'}:{second}"}
    assert find(environment, context="two").server == "https://two:6443"
    assert find(environment, context="one").cluster["namespace"] == "x"


@pytest.mark.parametrize("options", [{}, {"context": "one"}])
def test_a_named_context_is_never_replaced_by_the_current_one(options: dict[str, Any]) -> None:
    text = yaml.safe_dump(kubeconfig("other", current="other" if options else None))
    with pytest.raises(UnreachableError) as caught:
        find(kubeconfig=text, **options)
    assert ("has no context `one`; it has `other`" if options else "no current context") in str(
        caught.value
    )


def test_a_missing_file_is_never_replaced_by_the_users_own(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text(yaml.safe_dump(TWO))
    missing = tmp_path / "missing"
    with pytest.raises(UnreachableError, match=f"there is no kubeconfig at {missing}"):
        find({"KUBECONFIG": str(own)}, kubeconfig=str(missing))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "is empty"),
        ("- a\n", "is no kubeconfig"),
        ("a: [\n", "is not YAML"),
        (yaml.safe_dump({"current-context": "x"}), "has no context `x`; it has none"),
        (yaml.safe_dump({**TWO, "clusters": []}), "has no cluster `one`"),
        (yaml.safe_dump(kubeconfig("one", current="one", server="")), "has no server address"),
    ],
)
def test_what_is_wrong_with_a_kubeconfig_is_said(tmp_path: Path, content: str, why: str) -> None:
    file = tmp_path / "config"
    file.write_text(content)
    with pytest.raises(UnreachableError, match=why):
        find(kubeconfig=str(file))


def test_file_names_in_a_kubeconfig_are_relative_to_it(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(
        yaml.safe_dump(kubeconfig("one", current="one", **{"certificate-authority": "pki/ca.crt"}))
    )
    assert find(kubeconfig=str(file)).cluster["certificate-authority"] == str(
        tmp_path / "pki" / "ca.crt"
    )


def test_the_options_namespace_goes_before_the_contexts() -> None:
    config = kubeconfig("one", current="one")
    config["contexts"][0]["context"]["namespace"] = "theirs"
    assert find(kubeconfig=yaml.safe_dump(config)).namespace == "theirs"
    assert find(kubeconfig=yaml.safe_dump(config), namespace="ours").namespace == "ours"


def test_the_kubeconfig_for_others_has_the_chosen_context_only() -> None:
    chosen = find(kubeconfig=yaml.safe_dump(TWO), context="two").kubeconfig()
    again = find(kubeconfig=yaml.safe_dump(chosen))
    assert again.server == "https://two:6443"
    assert "token-of-one" not in str(chosen)


def test_the_active_cluster_tells_two_clusters_apart() -> None:
    text = yaml.safe_dump(TWO)
    assert active_cluster(text, "", "") == {"server": "https://one:6443"}
    assert active_cluster(text, "two", "") == active_cluster(text, "", "two")
    assert active_cluster(text, "three", "") is None
    assert active_cluster("", "one", "") is None
