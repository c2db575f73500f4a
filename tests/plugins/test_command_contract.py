"""What `command:local` promises, asked of the started executable over gRPC."""

import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf import empty_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from pulumi.runtime.proto import provider_pb2
from started_plugin import (
    ENGINE,
    Call,
    Plugin,
    alive,
    eventually,
    failing,
    ours_only,
    started,
)

from plugins.values import UNKNOWN

pytestmark = pytest.mark.slow

RESOURCE = "command:local:Command"
RUN = "command:local:run"
SLEEPS = 'sleep 60 & echo "$!" >> pids; setsid sleep 60 & echo "$!" > daemon; echo "$$" >> pids; '
"""A command with a child and a daemon, whose process ids it leaves in files."""


@pytest.fixture(scope="module")
def plugin() -> Iterator[Plugin]:
    with started("command", RESOURCE) as one:
        yield one


@pytest.fixture
def mortal() -> Iterator[Plugin]:
    """A plugin for one test, which ends it."""
    with started("command", RESOURCE, under=ENGINE) as one:
        yield one


def pids(folder: Path) -> list[int]:
    """The processes that SLEEPS should lose, once all of them run."""
    file = folder / "pids"
    assert eventually(lambda: file.exists() and len(file.read_text().splitlines()) > 1)
    return [int(line) for line in file.read_text().split()]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Path]:
    """Where SLEEPS leaves its daemon's process id; the daemon is ended after the test."""
    file = tmp_path / "daemon"
    yield file
    if file.exists():
        os.kill(int(file.read_text()), signal.SIGKILL)


# -- create, update, delete


def test_create_runs_the_command_and_keeps_what_it_printed(plugin: Plugin) -> None:
    made = plugin.create({"create": "echo one; echo two >&2; echo; echo three"})

    assert made.outputs["stdout"] == "one\n\nthree"
    assert made.outputs["stderr"] == "two"
    assert made.outputs["create"] == "echo one; echo two >&2; echo; echo three"


def test_only_one_newline_is_taken_from_the_end_of_the_output(plugin: Plugin) -> None:
    assert plugin.create({"create": "printf 'a\\n\\n'"}).outputs["stdout"] == "a\n"


def test_each_resource_has_an_id_of_its_own(plugin: Plugin) -> None:
    one, other = (plugin.create({"create": "true"}).id for _ in range(2))

    assert one != other
    assert one.startswith("one")


def test_a_resource_without_commands_prints_nothing(plugin: Plugin) -> None:
    made = plugin.create({"environment": {"A": "b"}})

    assert (made.outputs["stdout"], made.outputs["stderr"]) == ("", "")


def test_a_preview_runs_nothing_and_does_not_know_what_would_be_printed(
    plugin: Plugin, tmp_path: Path
) -> None:
    inputs = {"create": f"touch {tmp_path}/ran; echo ran", "dir": str(tmp_path)}
    made = plugin.create({"create": "echo old"})

    creation = plugin.create(inputs, preview=True)
    update = plugin.update(made, inputs, preview=True)

    assert not list(tmp_path.iterdir())
    for previewed in (creation, update):
        assert previewed.outputs["stdout"] is UNKNOWN
        assert previewed.outputs["stderr"] is UNKNOWN


def test_update_runs_its_own_command(plugin: Plugin) -> None:
    made = plugin.create({"create": "echo created"})

    updated = plugin.update(made, {"create": "echo created", "update": "echo updated"})

    assert updated.outputs["stdout"] == "updated"


def test_update_without_a_command_of_its_own_creates_again(plugin: Plugin) -> None:
    made = plugin.create({"create": 'echo "$A"', "environment": {"A": "1"}})

    updated = plugin.update(made, {"create": 'echo "$A"', "environment": {"A": "2"}})

    assert updated.outputs["stdout"] == "2"


def test_delete_runs_the_command_of_the_state_with_the_environment_of_the_state(
    plugin: Plugin, tmp_path: Path
) -> None:
    made = plugin.create(
        {
            "create": "echo said",
            "delete": 'echo "$A $PULUMI_COMMAND_STDOUT" > gone',
            "environment": {"A": "old"},
            "dir": str(tmp_path),
        }
    )

    plugin.delete(made)

    assert (tmp_path / "gone").read_text() == "old said\n"


def test_delete_without_a_command_does_nothing(plugin: Plugin) -> None:
    plugin.delete(plugin.create({"create": "true"}))


def test_an_update_sees_what_was_printed_before(plugin: Plugin) -> None:
    inputs = {"create": 'echo "<$PULUMI_COMMAND_STDOUT|$PULUMI_COMMAND_STDERR>"; echo e >&2'}
    first = plugin.create(inputs)

    second = plugin.update(first, inputs)

    assert first.outputs["stdout"] == "<|>"
    assert second.outputs["stdout"] == "<<|>|e>"


def test_what_was_printed_before_can_be_kept_out_of_the_environment(plugin: Plugin) -> None:
    inputs = {"create": 'echo "<$PULUMI_COMMAND_STDOUT>"', "addPreviousOutputInEnv": False}

    again = plugin.update(plugin.create(inputs), inputs)

    assert again.outputs["stdout"] == "<>"


def test_a_refresh_changes_nothing(plugin: Plugin) -> None:
    read = plugin.stub.Read(provider_pb2.ReadRequest(urn=plugin.urn, id="one"))

    assert read.id == "one"


# -- check and diff


def test_only_changed_triggers_replace(plugin: Plugin) -> None:
    old = {"create": "true", "triggers": [1, "a"]}

    changed = plugin.diff(old, {**old, "triggers": [1, "b"]})

    assert changed.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert [path.partition("[")[0] for path in changed.replaces] == ["triggers"]
    assert not changed.deleteBeforeReplace


@pytest.mark.parametrize(
    "change",
    [
        {"create": "false"},
        {"update": "true"},
        {"delete": "true"},
        {"environment": {"A": "b"}},
        {"stdin": "text"},
        {"dir": "/"},
        {"interpreter": ["/bin/bash", "-c"]},
        {"logging": "none"},
        {"addPreviousOutputInEnv": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_other_change_updates(plugin: Plugin, change: dict[str, object]) -> None:
    changed = plugin.diff({"create": "true"}, {"create": "true", **change})

    assert changed.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert not changed.replaces


def test_the_same_inputs_are_no_difference(plugin: Plugin) -> None:
    inputs = {"create": "true", "environment": {"A": "b"}, "triggers": [{"deep": [1]}]}

    assert plugin.diff(inputs, inputs).changes == provider_pb2.DiffResponse.DIFF_NONE


def test_the_state_says_that_the_previous_output_is_in_the_environment(plugin: Plugin) -> None:
    assert plugin.checked({"create": "true"})["addPreviousOutputInEnv"] is True


def test_what_a_preview_does_not_know_yet_is_no_mistake(plugin: Plugin) -> None:
    checked = plugin.check({"create": UNKNOWN, "environment": {"A": UNKNOWN}, "dir": UNKNOWN})

    assert not checked.failures


@ours_only
@pytest.mark.parametrize(
    ("inputs", "property_path"),
    [
        ({"create": 3}, "create"),
        ({"environment": {"A": ["b"]}}, "environment.A"),
        ({"logging": "loud"}, "logging"),
        ({"interpreter": "/bin/sh"}, "interpreter"),
        ({"crate": "true"}, "crate"),
        ({"assetPaths": ["*.txt"]}, "assetPaths"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_named_by_its_path(
    plugin: Plugin, inputs: dict[str, object], property_path: str
) -> None:
    assert [one.property for one in plugin.check(inputs).failures] == [property_path]


@ours_only
def test_a_command_on_another_machine_is_refused(plugin: Plugin) -> None:
    urn = "urn:pulumi:test::project::command:remote:Command::one"
    with failing() as said:
        plugin.stub.Check(provider_pb2.CheckRequest(urn=urn))

    assert "command:remote:Command" in said[0]


# -- how a command is run


@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\0")))
@settings(max_examples=15)
def test_a_hostile_value_in_the_environment_is_only_ever_a_value(
    plugin: Plugin, value: str
) -> None:
    made = plugin.create({"create": 'printf %s "$VALUE"', "environment": {"VALUE": value}})

    assert made.outputs["stdout"] == value.removesuffix("\n")


def test_a_shell_reads_nothing_but_the_command(plugin: Plugin, tmp_path: Path) -> None:
    hostile = f"; touch {tmp_path}/a; $(touch {tmp_path}/b) `touch {tmp_path}/c` ' \" \\ \n$HOME"

    made = plugin.create(
        {"create": 'printf %s "$VALUE"; cat', "environment": {"VALUE": hostile}, "stdin": hostile}
    )

    assert made.outputs["stdout"] == hostile * 2
    assert not list(tmp_path.iterdir())


def test_the_environment_is_the_engines_and_what_is_added_wins(plugin: Plugin) -> None:
    made = plugin.create({"create": 'echo "$PATH $HOME"', "environment": {"HOME": "/nowhere"}})

    assert made.outputs["stdout"] == f"{os.environ['PATH']} /nowhere"


def test_stdin_is_passed_whole(plugin: Plugin) -> None:
    made = plugin.create({"create": "sleep 0.1; wc -c < /dev/stdin", "stdin": "x" * 300_000})

    assert made.outputs["stdout"].strip() == "300000"


def test_a_command_that_does_not_read_its_stdin_is_no_failure(plugin: Plugin) -> None:
    assert plugin.create({"create": "echo ok", "stdin": "x" * 300_000}).outputs["stdout"] == "ok"


def test_without_stdin_a_command_that_reads_comes_to_an_end(plugin: Plugin) -> None:
    assert plugin.create({"create": "cat; echo end"}).outputs["stdout"] == "end"


def test_a_command_runs_where_it_is_told(plugin: Plugin, tmp_path: Path) -> None:
    made = plugin.create({"create": "pwd", "dir": str(tmp_path)})

    assert made.outputs["stdout"] == str(tmp_path.resolve())


def test_a_command_runs_in_the_programs_folder_unless_told(tmp_path: Path) -> None:
    with started("command", RESOURCE, cwd=tmp_path) as plugin:
        made = plugin.create({"create": "pwd"})

    assert made.outputs["stdout"] == str(tmp_path.resolve())


def test_an_interpreter_gets_the_command_as_its_last_argument(plugin: Plugin) -> None:
    made = plugin.create({"create": "a 'b", "interpreter": ["printf", "%s-"]})

    assert made.outputs["stdout"] == "a 'b-"


@ours_only
def test_what_is_no_text_is_kept_as_far_as_a_state_can(plugin: Plugin) -> None:
    made = plugin.create({"create": r"printf 'a\0b\377c\303\251'"})

    assert made.outputs["stdout"] == "a\0b\ufffdcé"


def test_much_output_is_no_problem(plugin: Plugin) -> None:
    made = plugin.create({"create": "head -c 3000000 /dev/zero | tr '\\0' x", "logging": "none"})

    assert len(made.outputs["stdout"]) == 3_000_000


@ours_only
def test_an_endless_line_is_told_in_pieces(plugin: Plugin) -> None:
    plugin.create({"create": "head -c 300000 /dev/zero | tr '\\0' x; echo; echo last"})

    assert plugin.log.messages[-1].message.endswith("last")


@ours_only
def test_a_process_left_behind_does_not_hold_the_command_up(plugin: Plugin, tmp_path: Path) -> None:
    before = time.monotonic()
    made = plugin.create({"create": "sleep 60 & echo $! > left; echo done", "dir": str(tmp_path)})
    took = time.monotonic() - before

    left = int((tmp_path / "left").read_text())
    assert alive(left)
    os.kill(left, signal.SIGKILL)
    assert made.outputs["stdout"] == "done"
    assert took < 5


# -- what is told


def test_output_is_told_while_the_command_runs_and_in_its_order(
    plugin: Plugin, tmp_path: Path
) -> None:
    plugin.log.messages.clear()
    wait = "until [ -e heard ]; do sleep 0.02; done"
    call = Call(
        lambda: plugin.create(
            {"create": f"echo first; {wait}; seq 500; echo last", "dir": str(tmp_path)}
        )
    )

    plugin.log.wait_for("first")
    (tmp_path / "heard").touch()

    assert not call.ended()
    plugin.log.wait_for("last")
    assert plugin.log.text.splitlines() == ["first", *map(str, range(1, 501)), "last"]
    assert {(one.urn, one.ephemeral) for one in plugin.log.messages} == {(plugin.urn, True)}


@pytest.mark.parametrize(
    ("logging", "told"),
    [
        ("stdout", {"out"}),
        ("stderr", {"err"}),
        ("stdoutAndStderr", {"out", "err"}),
        ("none", set[str]()),
    ],
)
def test_only_what_is_to_be_logged_is_told(plugin: Plugin, logging: str, told: set[str]) -> None:
    plugin.log.messages.clear()

    made = plugin.create({"create": "echo out; echo err >&2", "logging": logging})

    assert (made.outputs["stdout"], made.outputs["stderr"]) == ("out", "err")
    assert set(plugin.log.text.split()) == told


def test_one_secret_input_makes_every_output_secret(plugin: Plugin) -> None:
    made = plugin.create(
        {"create": "true", "environment": {"TOKEN": "hf_secret"}},
        secrets=(("environment", "TOKEN"),),
    )

    assert {"stdout", "stderr", "environment"} <= made.secret


def test_without_secrets_nothing_is_secret(plugin: Plugin) -> None:
    assert not plugin.create({"create": "true", "environment": {"A": "b"}}).secret


@ours_only
def test_a_secret_is_shown_neither_in_the_log_nor_in_an_error(plugin: Plugin) -> None:
    plugin.log.messages.clear()

    with failing() as said:
        plugin.create(
            {"create": 'echo "$TOKEN"; exit 1', "environment": {"TOKEN": "hf_secret"}},
            secrets=(("environment", "TOKEN"),),
        )

    assert "[secret]" in plugin.log.text
    assert "hf_secret" not in plugin.log.text + said[0]


@ours_only
def test_a_secret_command_is_not_shown(plugin: Plugin) -> None:
    with failing() as said:
        plugin.create({"create": "login --password p4ss; exit 1"}, secrets=(("create",),))

    assert said[0].startswith("exit status 1: running a secret command:")
    assert "p4ss" not in said[0]


# -- failures


def test_a_failure_says_how_it_ended_what_ran_and_what_was_said(plugin: Plugin) -> None:
    with failing() as said:
        plugin.create({"create": 'echo "on it"; echo "no luck" >&2; exit 3'})

    first, *rest = said[0].splitlines()
    assert first == r'exit status 3: running "echo \"on it\"; echo \"no luck\" >&2; exit 3":'
    assert set(rest) == {"on it", "no luck"}
    assert "Traceback" not in said[0]


def test_a_signal_is_named(plugin: Plugin) -> None:
    with failing() as said:
        plugin.create({"create": "kill -9 $$"})

    assert said[0].startswith('signal: killed: running "kill -9 $$"')


@ours_only
def test_of_a_long_output_a_failure_shows_the_end(plugin: Plugin) -> None:
    with failing() as said:
        plugin.create({"create": "seq 1000; exit 1"})

    assert said[0].splitlines()[1:] == [str(number) for number in range(951, 1001)]


@ours_only
def test_a_failure_does_not_show_an_output_that_is_not_logged(plugin: Plugin) -> None:
    with failing() as said:
        plugin.create({"create": "echo kubeconfig; echo why >&2; exit 1", "logging": "none"})

    assert said[0].splitlines()[1:] == ["why"]


@pytest.mark.parametrize(
    "inputs",
    [
        {"create": "true", "dir": "/nonexistent/dir"},
        {"create": "true", "interpreter": ["/nonexistent/shell"]},
        {"create": "true", "interpreter": ["nonexistent-shell"]},
    ],
    ids=["dir", "path", "name"],
)
def test_what_cannot_start_is_named(plugin: Plugin, inputs: dict[str, object]) -> None:
    with failing() as said:
        plugin.create(inputs)

    assert "nonexistent" in said[0]
    assert "Traceback" not in said[0]


@ours_only
def test_a_previous_output_too_long_for_an_environment_names_the_way_out(plugin: Plugin) -> None:
    inputs = {"create": "head -c 3000000 /dev/zero | tr '\\0' x", "logging": "none"}
    made = plugin.create(inputs)

    with failing() as said:
        plugin.update(made, inputs)

    assert "set addPreviousOutputInEnv to false" in said[0]


# -- nothing is left behind


def cancel(plugin: Plugin) -> None:
    plugin.stub.Cancel(empty_pb2.Empty())


def kill_the_plugin(plugin: Plugin) -> None:
    """The engine stands above the plugin, in one process group; here it dies first."""
    plugin.process.kill()
    os.killpg(plugin.process.pid, signal.SIGKILL)


def kill_the_engine(plugin: Plugin) -> None:
    plugin.process.kill()


@ours_only
@pytest.mark.parametrize("strike", [cancel, kill_the_engine, kill_the_plugin])
def test_a_command_ends_with_its_children_but_not_with_its_daemons(
    mortal: Plugin, tmp_path: Path, daemon: Path, strike: object
) -> None:
    assert callable(strike)
    call = Call(lambda: mortal.create({"create": SLEEPS + "wait", "dir": str(tmp_path)}))
    running = pids(tmp_path)

    strike(mortal)

    assert call.ended()
    assert eventually(lambda: not any(map(alive, running)))
    assert alive(int(daemon.read_text()))


@ours_only
def test_a_child_in_a_process_group_of_its_own_ends_too(mortal: Plugin, tmp_path: Path) -> None:
    """As `timeout` makes one, and a shell with job control."""
    command = 'echo "$$" >> pids; "$PYTHON" -c "$CHILD"'
    child = "import os, time; os.setpgid(0, 0); print(os.getpid(), file=open('pids', 'a', 1)); "
    inputs = {
        "create": f"{command}; :",
        "dir": str(tmp_path),
        "environment": {"PYTHON": sys.executable, "CHILD": f"{child}time.sleep(60)"},
    }
    call = Call(lambda: mortal.create(inputs))
    running = pids(tmp_path)
    assert len(set(map(os.getpgid, running))) == len(running)

    cancel(mortal)

    assert call.ended().startswith("canceled: running")
    assert eventually(lambda: not any(map(alive, running)))


@ours_only
def test_after_a_cancel_nothing_is_begun(mortal: Plugin, tmp_path: Path) -> None:
    cancel(mortal)

    with failing() as said:
        mortal.create({"create": "touch ran", "dir": str(tmp_path)})

    assert said[0].startswith("canceled")
    assert not list(tmp_path.iterdir())


@ours_only
def test_a_command_ends_when_its_time_is_up(plugin: Plugin, tmp_path: Path, daemon: Path) -> None:
    inputs = {"create": SLEEPS + "echo waiting; wait", "dir": str(tmp_path)}

    with failing() as said:
        plugin.create(inputs, timeout=0.5)

    assert said[0].startswith("timed out after 0.5s: running")
    assert said[0].endswith("waiting")
    assert not any(map(alive, pids(tmp_path)))
    assert alive(int(daemon.read_text()))


# -- the function


def test_run_answers_what_was_printed_and_what_was_asked(plugin: Plugin) -> None:
    answer = plugin.invoke(
        RUN,
        {
            "command": 'echo "$A"; cat >&2',
            "environment": {"A": shlex.quote("b c")},
            "stdin": "in",
        },
    )

    assert answer.outputs["stdout"] == "'b c'"
    assert answer.outputs["stderr"] == "in"
    assert answer.outputs["command"] == 'echo "$A"; cat >&2'


def test_run_answers_in_secret_what_was_asked_in_secret(plugin: Plugin) -> None:
    answer = plugin.invoke(RUN, {"command": "echo hush"}, secrets=(("command",),))

    assert "stdout" in answer.secret


def test_run_fails_as_the_resource_does(plugin: Plugin) -> None:
    with failing() as said:
        plugin.invoke(RUN, {"command": "exit 7"})

    assert said[0].startswith('exit status 7: running "exit 7"')
