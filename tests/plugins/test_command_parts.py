"""The pure parts of the command plugin, and its warden without the plugin."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pulumi.provider.experimental.property_value import PropertyValue

from plugins.command import narration, warden
from plugins.command.arguments import Command, parse, problems
from plugins.command.narration import Lines, Narrator
from plugins.command.process import Job, Runner, Stream, failure
from plugins.command.provider import Order, difference, outputs
from plugins.masking import MASK, masked, secrets
from plugins.values import typed

TEXT = st.text(st.characters(codec="utf-8"))


# -- lines and how they are told


@given(data=st.binary(), cuts=st.lists(st.integers(0, 200)))
def test_lines_do_not_depend_on_how_the_bytes_arrive(data: bytes, cuts: list[int]) -> None:
    bounds = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    lines = Lines()
    told = [
        line for start, end in itertools.pairwise(bounds) for line in lines.feed(data[start:end])
    ]

    whole = data.decode(errors="replace").removesuffix("\n")
    assert [*told, *lines.end()] == (whole.split("\n") if data else [])


def test_a_line_without_an_end_is_told_before_it_fills_the_memory() -> None:
    lines = Lines()

    assert lines.feed(b"x" * narration.LONGEST) == []
    assert lines.feed(b"x") == ["x" * (narration.LONGEST + 1)]
    assert lines.end() == []


@given(lines=st.lists(TEXT, max_size=50))
def test_a_slow_listener_gets_many_lines_at_once_and_none_out_of_order(lines: list[str]) -> None:
    said: list[str] = []

    async def slowly(message: str) -> None:
        await asyncio.sleep(0)
        said.append(message)

    async def tell() -> None:
        narrator = Narrator(slowly)
        async with narrator.telling():
            for line in lines:
                narrator.tell(line)

    asyncio.run(tell())

    assert "\n".join(said) == "\n".join(lines)
    assert len(said) <= 1


# -- arguments


@given(secret=TEXT.filter(lambda text: len(text) > len(MASK)), around=TEXT)
def test_a_masked_text_does_not_hold_the_secret(secret: str, around: str) -> None:
    hidden = secrets([PropertyValue({"deep": PropertyValue(secret, is_secret=True)})])

    assert secret not in masked(f"{around}{secret}{around}", hidden)


def test_each_line_of_a_secret_with_several_is_secret() -> None:
    hidden = secrets([PropertyValue("apiVersion: v1\n  token: abcdef\n", is_secret=True)])

    assert masked("got token: abcdef", hidden) == f"got {MASK}"


def test_what_is_not_secret_is_not_masked() -> None:
    inputs = typed(
        {"environment": {"TOKEN": "hf_secret", "NAME": "llm-d"}}, [("environment", "TOKEN")]
    )

    assert secrets(inputs.values()) == {"hf_secret"}


def test_null_is_as_good_as_absent() -> None:
    inputs = typed({"create": "true", "environment": None, "logging": None})

    assert not list(problems(Command, inputs))
    assert parse(Command, inputs) == Command(create="true")


# -- difference and state

INPUTS = st.fixed_dictionaries(
    {},
    optional={
        "create": TEXT,
        "environment": st.dictionaries(TEXT, TEXT, max_size=2),
        "triggers": st.lists(st.integers() | TEXT, max_size=2),
    },
)


@given(old=INPUTS, new=INPUTS)
def test_a_difference_names_what_changed_and_replaces_only_for_triggers(
    old: dict[str, object], new: dict[str, object]
) -> None:
    changed = difference(typed({**old, "stdout": "x"}), typed(new))

    assert set(changed) == {key for key in {*old, *new} if old.get(key) != new.get(key)}
    for key, change in changed.items():
        assert change.kind.name.endswith("_REPLACE") == (key == "triggers")


def test_a_value_that_became_secret_is_no_difference() -> None:
    assert not difference(typed({"create": "x"}), typed({"create": "x"}, [("create",)]))


def test_the_state_holds_the_inputs_and_is_as_secret_as_any_of_them() -> None:
    inputs = typed({"create": "true", "environment": {"A": "b"}}, [("environment", "A")])

    state = outputs(inputs, typed({"stdout": "x"}))

    assert set(state) == {"create", "environment", "stdout"}
    assert all(value.is_secret for value in state.values())


def order(**arguments: object) -> Order:
    return Order(
        urn="",
        command="cmd",
        secret=False,
        arguments=Command.model_validate(arguments),
        previous={"stdout": "before", "stderr": ""},
        hidden=frozenset(),
    )


def test_what_was_printed_before_wins_over_what_is_added_and_that_over_what_is_there() -> None:
    job = order(environment={"A": "added", "PULUMI_COMMAND_STDOUT": "added"}).job(
        {"A": "there", "B": "there"}
    )

    assert job.environment == {"A": "added", "B": "there", "PULUMI_COMMAND_STDOUT": "before"}


def test_the_command_is_one_argument_whatever_the_interpreter() -> None:
    assert list(order().job({}).argv) == ["/bin/sh", "-c", "cmd"]
    assert list(order(interpreter=["bash", "-euc"]).job({}).argv) == ["bash", "-euc", "cmd"]


# -- the warden


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b'{"status": 0}', ""),
        (b'{"status": 3}', "exit status 3"),
        (b'{"status": -15}', "signal: terminated"),
        (
            b'{"refused": "No such file or directory: x"}',
            "cannot start: No such file or directory: x",
        ),
        (b"", "cannot start: the process that watches it was killed"),
    ],
)
def test_an_ending_is_told_in_the_words_of_the_vendors_plugin(answer: bytes, said: str) -> None:
    assert failure(answer) == said


def test_processes_are_found_without_proc_as_well() -> None:
    """As on macOS; the listing itself runs as a process of its own."""
    both = set(warden.from_proc()) & set(warden.from_ps())

    assert {os.getpid(), os.getppid()} <= both


def test_a_session_is_all_its_groups_and_no_other_session() -> None:
    child = "import os, time; os.{}(); os.write(1, b'%d\\n' % os.getpid()); time.sleep(60)"
    pair = "setpgrp", "setsid"
    shell = subprocess.Popen(  # noqa: S603
        ["/bin/sh", "-c", '"$1" -c "$2" & "$1" -c "$3" & wait', "sh", sys.executable]
        + [child.format(call) for call in pair],
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    assert shell.stdout
    children = {int(shell.stdout.readline()) for _ in pair}
    (daemon,) = [pid for pid in children if os.getsid(pid) == pid]

    found = warden.groups(shell.pid)
    warden.end(shell.pid, grace=0)

    shell.stdout.close()
    shell.wait()
    assert found == {shell.pid, *children} - {daemon}
    os.kill(daemon, signal.SIGKILL)


@settings(max_examples=5)
@given(value=st.text(st.characters(exclude_characters="\0"), max_size=20))
def test_a_job_arrives_as_it_was_sent(value: str) -> None:
    spec = Job(argv=["true", value], environment={"A": value}, directory=".").spec()

    sent = json.loads(spec)
    assert sent["argv"][1:] == [value]
    assert sent["env"] == {"A": value}
    assert spec.count(b"\n") == 1


def test_who_ignores_sigterm_is_killed_when_the_grace_is_over() -> None:
    job = Job(
        argv=["/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"],
        environment=dict(os.environ),
        directory=".",
        timeout=0.2,
        grace=0.2,
    )

    ending = asyncio.run(Runner().run(job, lambda _stream, _part: None))

    assert ending.failure == "timed out after 0.2s"
    assert ending.text(Stream.STDOUT) == "deaf\n"
