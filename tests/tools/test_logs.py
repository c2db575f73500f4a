from pathlib import Path

import pytest

from tools import logs
from tools.errors import Missing
from tools.places import Places


def test_logs_are_those_of_the_pods_whose_names_begin_so(tmp_path: Path) -> None:
    for name in ("shop/web-0/main.log", "shop/web-1/proxy.log", "other/db-0/main.log"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()

    assert logs.find(tmp_path, "web") == ["shop/web-0/main.log", "shop/web-1/proxy.log"]
    assert len(logs.find(tmp_path, "")) == 3


def test_a_stack_without_logs_is_told_what_writes_them(tmp_path: Path) -> None:
    places = Places(root=tmp_path, cache=tmp_path)
    with pytest.raises(Missing, match=r"(?s)logs of pods web\*.*only pods that run on this"):
        logs.main("embedded", "web", follow=False, places=places)
