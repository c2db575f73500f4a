"""What the node agent does for a pod, decided without a cluster or a machine. A second."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st
from pods import Play, probe

from embedded.agent import decide
from embedded.agent.decide import SIGKILL, Ask, Finish, Signal, Start, Tell
from embedded.agent.machine import Ended, Running
from embedded.agent.model import Check, Container, Pod, Probe, Role

SIGTERM = 15


def one(
    name: str = "main",
    role: Role = Role.MAIN,
    *,
    probes: Mapping[Check, Probe] | None = None,
    restart: str = "Always",
    stop_delay: float = 0,
) -> Container:
    return Container(
        name=name, role=role, probes=probes or {}, restart=restart, stop_delay=stop_delay
    )


def starts(play: Play) -> list[str]:
    return [action.container for _, action in play.done if isinstance(action, Start)]


def test_init_containers_run_one_after_the_other_before_any_other() -> None:
    init = [one(name, Role.INIT, restart="OnFailure") for name in ("first", "second")]
    play = Play(Pod(containers=(*init, one())))

    play.run(1)
    assert starts(play) == ["first"]
    play.end("first", 0)
    play.run(1)
    assert starts(play) == ["first", "second"]
    play.end("second", 0)
    play.run(1)
    assert starts(play) == ["first", "second", "main"]


def test_a_sidecar_is_waited_for_until_it_has_started_and_no_longer() -> None:
    sidecar = one("proxy", Role.SIDECAR, probes={Check.STARTUP: probe()})
    play = Play(
        Pod(containers=(sidecar, one())), answers={("proxy", Check.STARTUP): "not yet"}
    ).run(5)
    assert starts(play) == ["proxy"]

    play.answers = {}
    play.run(1)
    assert starts(play) == ["proxy", "main"]
    play.end("proxy", 1)
    play.run(1)
    assert starts(play) == ["proxy", "main", "proxy"], "and stays"


def test_a_crashing_container_is_restarted_after_0_10_20_40_seconds_and_at_most_300() -> None:
    play = Play(Pod(containers=(one(),)))
    pauses: list[float] = []
    for _ in range(8):
        play.run(0.25)
        began = len(starts(play))
        play.end("main", 1)
        ended = play.now
        while len(starts(play)) == began:
            play.step()
            play.now += 0.25
        pauses.append(play.now - 0.25 - ended)

    assert pauses == [0, 10, 20, 40, 80, 160, 300, 300]
    assert play.memory["main"].restarts == 7


def test_a_container_that_ran_ten_minutes_is_restarted_at_once() -> None:
    play = Play(Pod(containers=(one(),)))
    for _ in range(3):
        play.run(0.25)
        play.end("main", 1)
        play.run(300)
    play.now += 600

    play.end("main", 1)
    play.step()

    assert play.states["main"] == Running(started=play.now)


def test_a_pod_is_over_when_its_restart_policy_says_so() -> None:
    for policy, code, again in (
        ("Never", 1, False),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Always", 0, True),
    ):
        play = Play(Pod(containers=(one(restart=policy),)))
        play.step()
        play.now += 1
        play.end("main", code)
        play.run(1)
        assert (len(starts(play)) == 2) is again, (policy, code)
        assert decide.done(play.pod, play.memory) is not again


def test_the_sidecars_of_a_pod_that_is_over_are_ended() -> None:
    play = Play(Pod(containers=(one("proxy", Role.SIDECAR), one(restart="Never"))))
    play.run(1)
    play.end("main", 0)
    play.run(1)

    assert play.at(Signal("proxy", SIGTERM))
    assert isinstance(play.states["proxy"], Ended)


def test_a_container_is_ready_when_startup_and_readiness_have_both_passed() -> None:
    main = one(probes={Check.STARTUP: probe(), Check.READINESS: probe()})
    not_yet = {("main", Check.STARTUP): "no", ("main", Check.READINESS): "no"}
    play = Play(Pod(containers=(main,)), answers=not_yet).run(3)
    assert not play.at(Ask("main", Check.READINESS)), "asked only once it has started"

    play.answers = {("main", Check.READINESS): "no"}
    play.run(3)
    assert decide.started(main, play.memory["main"])
    assert not decide.ready(main, play.memory["main"])

    play.answers = {}
    play.run(10)
    assert decide.ready(main, play.memory["main"])

    play.answers = not_yet
    play.run(31)
    assert not decide.ready(main, play.memory["main"]), "after three failures"
    assert play.memory["main"].restarts == 0, "readiness restarts nothing"


def test_a_first_yes_is_found_soon_but_failures_count_at_the_probes_own_pace() -> None:
    main = one(probes={Check.STARTUP: probe(period=5, failures=4)})
    play = Play(Pod(containers=(main,)), answers={("main", Check.STARTUP): "no"})

    play.run(15.5)

    asked = play.at(Ask("main", Check.STARTUP))
    assert len(asked) > 40
    assert len(play.at(Tell("Unhealthy", "Startup probe failed: no", warning=True))) == 4
    assert play.at(Signal("main", SIGTERM)) == [15.5]


def test_a_container_that_is_no_longer_alive_is_ended_and_restarted() -> None:
    main = one(probes={Check.LIVENESS: probe(period=10)})
    play = Play(
        Pod(containers=(main,), grace=5),
        answers={("main", Check.LIVENESS): "hangs"},
        obeys=False,
    )

    play.run(40)

    assert play.at(Signal("main", SIGTERM)) == [20.5]
    assert play.at(Signal("main", SIGKILL)) == [25.5]
    assert starts(play) == ["main", "main"]
    assert play.memory["main"].restarts == 1


def test_a_probe_that_says_so_leaves_less_time_to_end_in_than_the_pod_has() -> None:
    main = one(probes={Check.LIVENESS: probe(period=10, grace=5)}, stop_delay=30)
    play = Play(
        Pod(containers=(main,), grace=60),
        answers={("main", Check.LIVENESS): "hangs"},
        obeys=False,
    )

    play.run(40)

    assert play.at(Signal("main", SIGKILL)) == [25.5]


def test_deletion_asks_all_waits_for_the_grace_and_kills() -> None:
    play = Play(Pod(containers=(one("a"), one("b", stop_delay=2))), obeys=False)
    play.run(1)
    play.delete_by = play.now + 10
    play.run(12)

    assert play.at(Signal("a", SIGTERM)) == [1.0]
    assert play.at(Signal("b", SIGTERM)) == [3.0], "after its preStop sleep"
    assert play.at(Signal("a", SIGKILL)) == [11.0]
    assert play.at(Finish())
    assert starts(play) == ["a", "b"], "nothing is started any more"


def test_sidecars_of_a_deleted_pod_end_last() -> None:
    play = Play(Pod(containers=(one("proxy", Role.SIDECAR), one())))
    play.run(1)
    play.delete_by = play.now + 30
    play.run(2)

    assert play.at(Signal("main", SIGTERM)) < play.at(Signal("proxy", SIGTERM))
    assert play.at(Finish()) >= play.at(Signal("proxy", SIGTERM))


def test_what_a_machine_that_was_started_anew_lost_is_started_again() -> None:
    play = Play(Pod(containers=(one(),))).run(1)
    play.states["main"] = None
    play.run(1)

    assert starts(play) == ["main", "main"]
    assert play.memory["main"].restarts == 1


@given(
    ends=st.lists(st.tuples(st.sampled_from(["init", "proxy", "main"]), st.integers(0, 2))),
    delete_after=st.integers(0, 20),
)
def test_whatever_ends_when_a_deleted_pod_goes_and_leaves_nothing_running(
    ends: list[tuple[str, int]], delete_after: int
) -> None:
    containers = (
        one("init", Role.INIT, restart="OnFailure"),
        one("proxy", Role.SIDECAR, probes={Check.LIVENESS: probe()}),
        one("main", probes={Check.READINESS: probe()}),
    )
    play = Play(Pod(containers=containers), obeys=False)
    for at, (name, code) in enumerate(ends):
        if at == delete_after:
            break
        play.run(1)
        if isinstance(play.states[name], Running):
            play.end(name, code)
    begun = len(starts(play))
    play.delete_by = play.now + 3

    play.run(8)

    assert play.at(Finish())
    assert not any(isinstance(state, Running) for state in play.states.values())
    assert len(starts(play)) == begun
