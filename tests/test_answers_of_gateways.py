"""`pulumi up` ends once its Gateway answers, as far as that can be found out from where it runs."""

import asyncio
from collections.abc import Callable

import pytest

from components import answers
from tests.smoke.servers import Asked, Reply, free_port, serving

HOST = "llm.example.com"


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", said.append)
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: False)
    monkeypatch.setattr(answers, "BETWEEN_SECONDS", 0.01)
    return said


def in_turn(*statuses: int) -> Callable[[Asked], Reply]:
    """The last one from then on."""
    left = [*statuses]
    return lambda _: Reply(left.pop(0) if len(left) > 1 else left[0])


@pytest.mark.parametrize("last", [200, 401, 403, 429])
def test_it_is_asked_until_its_proxies_have_the_route_and_what_is_behind_it(
    last: int, warned: list[str]
) -> None:
    with serving(in_turn(404, 500, 503, last)) as gateway:
        assert asyncio.run(answers.answering(gateway.url, HOST)) == gateway.url

    assert [one.path for one in gateway.asked] == ["/v1/models"] * 4
    assert {one.headers["host"] for one in gateway.asked} == {HOST}
    assert warned == []


def test_what_does_not_answer_in_time_is_told_and_not_taken_for_a_failed_update(
    warned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "SECONDS", 0.1)
    with serving(in_turn(503)) as gateway:
        assert asyncio.run(answers.answering(gateway.url, None)) == gateway.url

    [said] = warned
    assert said.startswith(f"{gateway.url}/v1/models still answers 503 after 0 s")


def test_what_cannot_be_reached_from_here_is_not_waited_for(warned: list[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    assert asyncio.run(answers.answering(url, None)) == url

    assert warned == []


def test_what_hangs_up_is_not_waited_for(warned: list[str]) -> None:
    with serving(lambda _: Reply(cut=True, chunks=())) as gateway:
        asyncio.run(answers.answering(gateway.url, None))

    assert len(gateway.asked) == 1
    assert warned == []


def test_a_preview_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    with serving(in_turn(200)) as gateway:
        asyncio.run(answers.answering(gateway.url, None))

    assert gateway.asked == []


def test_without_an_address_there_is_nobody_to_ask(warned: list[str]) -> None:
    assert asyncio.run(answers.answering(None, None)) is None
    assert warned == []
