import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import tokens

BLOCK = 4

turns = st.lists(st.tuples(st.sampled_from(["system", "user"]), st.text()), min_size=1, max_size=3)


def spoken(prompt: str, *, seed: int = 0, limit: int = 50, ignore_eos: bool = True) -> str:
    return tokens.answer(prompt, seed=seed, limit=limit, at_least=0, ignore_eos=ignore_eos)[0]


@given(prompt=st.text(), limit=st.integers(1, 300))
def test_an_answer_has_as_many_tokens_as_were_allowed(prompt: str, limit: int) -> None:
    assert tokens.count(spoken(prompt, limit=limit)) == limit


@given(prompt=st.text(), fewer=st.integers(1, 100), more=st.integers(100, 300))
def test_a_lower_limit_gives_the_beginning_of_the_same_answer(
    prompt: str, fewer: int, more: int
) -> None:
    assert spoken(prompt, limit=more).startswith(spoken(prompt, limit=fewer))


def test_other_prompts_and_other_seeds_are_answered_otherwise() -> None:
    assert len({spoken("a"), spoken("b"), spoken("a", seed=1)}) == 3


def test_an_answer_is_the_same_in_every_process() -> None:
    assert spoken("hello", limit=4) == " lix bon mol kin"


@given(prompt=st.text(), limit=st.integers(1, 400), at_least=st.integers(0, 400))
def test_an_answer_may_end_by_itself_but_not_too_early(
    prompt: str, limit: int, at_least: int
) -> None:
    text, ended = tokens.answer(
        prompt, seed=0, limit=limit, at_least=min(at_least, limit), ignore_eos=False
    )

    assert tokens.count(text) >= min(at_least, limit, tokens.SHORTEST)
    assert ended or tokens.count(text) == limit


@pytest.mark.parametrize(
    ("stops", "at_least", "kept", "length"),
    [
        (("zzz",), 0, None, 0),
        (("el f",), 0, " g", 2),
        (("fos", " gel"), 0, "", 1),
        (("gel",), 2, " gel fos ", 3),
        (("gel", "fos"), 1, " gel ", 2),
    ],
)
def test_the_first_stop_string_ends_an_answer(
    *, stops: tuple[str, ...], at_least: int, kept: str | None, length: int
) -> None:
    stopped = tokens.stopped(" gel fos gel mop", stops, at_least)

    assert stopped == (None if kept is None else (kept, length))


@given(before=turns, question=st.text(), length=st.integers(1, 40))
def test_a_conversation_that_goes_on_begins_with_the_blocks_of_the_last_turn(
    before: list[tuple[str, str]], question: str, length: int
) -> None:
    prompt = tokens.chat(before)
    said = spoken(prompt, limit=length)

    turn = tokens.hashes(prompt, said, BLOCK)
    following = tokens.chat([*before, ("assistant", said), ("user", question)])

    assert tokens.hashes(following, "", BLOCK)[: len(turn)] == turn


@given(prompt=st.text(max_size=60), change=st.integers(0, 59))
def test_a_changed_token_changes_its_block_and_all_after_it(prompt: str, change: int) -> None:
    text = prompt.ljust(64, "-")
    other = f"{text[:change]}{'#' if text[change] != '#' else '+'}{text[change + 1 :]}"
    same = change // (BLOCK * tokens.WIDTH)

    one, two = tokens.hashes(text, "", BLOCK), tokens.hashes(other, "", BLOCK)

    assert one[:same] == two[:same]
    assert not set(one[same:]) & set(two[same:])


@given(prompt=st.text(max_size=80), output=st.integers(0, 30))
def test_every_full_block_of_prompt_and_answer_has_a_hash(prompt: str, output: int) -> None:
    expected = (tokens.count(prompt) + output) // BLOCK

    assert len(tokens.hashes(prompt, " gel" * output, BLOCK)) == expected
