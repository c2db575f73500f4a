"""The folder of a rehearsal: one at a time, and nothing is left of it."""

import json
import sys
from pathlib import Path

import pytest

from tools import clusters, rehearsals
from tools.places import Places

Down = list[tuple[str, Path]]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(root=tmp_path / "clone", cache=tmp_path / "cache")


@pytest.fixture
def down(monkeypatch: pytest.MonkeyPatch) -> Down:
    """What was done to which cluster."""
    done: Down = []

    def act(action: str, cluster: Path, *_: object) -> None:
        done.append((action, cluster))

    monkeypatch.setattr(clusters, "act", act)
    return done


def left(places: Places) -> list[str]:
    return [path.name for path in (places.state / "rehearsals").iterdir()]


def test_nothing_is_left_but_the_lock_however_it_ends(places: Places, down: Down) -> None:
    def interrupted() -> None:
        with rehearsals.folder("a", places) as folder:
            (folder / rehearsals.CLUSTER).mkdir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert left(places) == ["a.lock"]
    [(action, cluster)] = down
    assert (action, cluster.name) == ("down", rehearsals.CLUSTER)


def test_what_a_killed_one_left_is_removed_before_the_next(places: Places, down: Down) -> None:
    killed = places.state / "rehearsals" / "a" / "killed" / rehearsals.CLUSTER
    killed.mkdir(parents=True)

    with rehearsals.folder("a", places) as folder:
        assert not killed.exists()
        assert [*folder.iterdir()] == []

    assert down == [("down", killed)]


def test_two_of_a_stack_do_not_meet_and_those_of_two_stacks_do(places: Places) -> None:
    with rehearsals.folder("a", places) as first, rehearsals.folder("b", places):
        with pytest.raises(rehearsals.GoingOnError) as caught, rehearsals.folder("a", places):
            pass
        rehearsals.clear("a", places)
        assert first.exists(), "one that goes on is left alone"

    assert str(caught.value) == (
        "rehearsal of a: another one is going on in this clone\n"
        "  way out: wait until it is done, or end it"
    )


def test_clearing_removes_what_a_killed_one_left_and_makes_nothing(
    places: Places, down: Down
) -> None:
    rehearsals.clear("a", places)
    assert not places.state.exists()

    (places.state / "rehearsals" / "a" / "killed" / rehearsals.CLUSTER).mkdir(parents=True)
    rehearsals.clear("a", places)

    assert left(places) == ["a.lock"]
    assert len(down) == 1


def test_a_cluster_s_own_command_is_told_where_it_is(places: Places, tmp_path: Path) -> None:
    package = places.root / "embedded"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    told = tmp_path / "told.json"
    (package / "__main__.py").write_text(
        "import json, os, sys\n"
        f"root = os.environ['LLMD_CLUSTER_ROOT']\n"
        f"open({str(told)!r}, 'w').write(json.dumps([sys.argv[1], root]))\n"
        "sys.exit('it has broken' if sys.argv[1] == 'start' else 0)\n"
    )
    environment = {"PATH": "/usr/bin:/bin", "PYTHONHOME": sys.base_prefix}

    clusters.act("down", tmp_path / "cluster", places, environment)

    assert json.loads(told.read_text()) == ["down", str(tmp_path / "cluster")]
    with pytest.raises(clusters.Missing, match="embedded cluster: it has broken"):
        clusters.act("start", tmp_path / "cluster", places, environment)
