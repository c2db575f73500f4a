from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from simulator.blocks import BlockCache
from simulator.engine import Batch, Engine, Request

BLOCK = 4
BLOCKS = 10
LONGEST = BLOCK * BLOCKS
"""What fits alone, so what the server lets in."""

Spec = tuple[int, int, int]
"""Group, prompt and output of a request; a group's prompts begin alike."""

specs = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 24), st.integers(1, LONGEST - 24)),
    min_size=1,
    max_size=12,
)


def request(prompt: int, output: int, group: int = 0) -> Request:
    full = (prompt + output) // BLOCK
    return Request(
        prompt=prompt,
        output=output,
        hashes=[hash((group, at)) for at in range(full)],
    )


def engine(*, blocks: int = BLOCKS, seqs: int = 4, budget: int = 8, caching: bool = True) -> Engine:
    return Engine(
        BlockCache(blocks, caching=caching),
        block_size=BLOCK,
        max_num_seqs=seqs,
        max_num_batched_tokens=budget,
    )


def steps(one: Engine) -> Iterator[tuple[Batch, list[Request]]]:
    while one.busy:
        batch = one.start()
        yield batch, one.finish()


def prefills(one: Engine) -> list[int]:
    return [batch.prefill_tokens for batch, _ in steps(one)]


def held(one: Engine) -> int:
    return len({block for running in one.running for block in running.blocks})


@given(specs=specs, seqs=st.integers(1, 5), budget=st.integers(1, 30), caching=st.booleans())
def test_everyone_is_served_in_full_and_no_block_is_left_behind(
    *, specs: list[Spec], seqs: int, budget: int, caching: bool
) -> None:
    one = engine(seqs=seqs, budget=budget, caching=caching)
    requests = [request(prompt, output, group) for group, prompt, output in specs]
    for each in requests:
        one.add(each)
    started: list[Request] = []

    while one.busy:
        batch = one.start()
        assert 0 < batch.prefill_tokens + batch.sequences <= budget
        assert len(one.running) <= seqs
        assert one.cache.used == held(one) <= BLOCKS
        for each in one.running:
            assert len(each.blocks) * BLOCK >= each.computed
        started += [each for each in one.running if each not in started]
        one.finish()

    assert [each.produced for each in requests] == [output for _, _, output in specs]
    assert one.cache.used == 0
    assert started == requests


@given(specs=specs, gone=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 11)), max_size=6))
def test_who_goes_away_at_any_time_frees_what_it_held(
    specs: list[Spec], gone: list[tuple[int, int]]
) -> None:
    one = engine()
    requests = [request(prompt, output, group) for group, prompt, output in specs]
    for each in requests:
        one.add(each)
    left: set[Request] = set()

    at = 0
    while one.busy:
        one.start()
        leaving = [requests[who] for when, who in gone if when == at and who < len(requests)]
        for each in leaving:
            one.abort(each)
        left.update(each for each in leaving if not each.finished)
        assert not left.intersection(one.finish())
        assert one.cache.used == held(one)
        at += 1

    assert one.cache.used == 0
    assert all(each.finished or each in left for each in requests)


@given(specs=specs)
def test_the_same_requests_make_the_same_steps(specs: list[Spec]) -> None:
    def history() -> list[tuple[Batch, int]]:
        one = engine()
        for group, prompt, output in specs:
            one.add(request(prompt, output, group))
        return [(batch, len(served)) for batch, served in steps(one)]

    assert history() == history()


def test_a_long_prompt_comes_in_over_several_steps_beside_those_who_produce() -> None:
    one = engine(budget=8)
    one.add(request(4, 10))
    one.start()
    one.finish()
    one.add(request(20, 1, group=1))

    batches = [batch for batch, _ in steps(one)]

    assert [batch.prefill_tokens for batch in batches][:3] == [7, 7, 6]
    assert [batch.sequences for batch in batches][:3] == [1, 1, 1]


def test_a_prompt_seen_before_is_computed_from_its_first_new_block() -> None:
    one = engine(budget=100)
    one.add(request(18, 1))
    assert prefills(one) == [18]
    one.add(request(18, 1))
    assert prefills(one) == [2]
    assert (one.prefix_queries, one.prefix_hits) == (36, 16)


def test_the_last_token_of_a_known_prompt_is_computed_all_the_same() -> None:
    one = engine(budget=100)
    one.add(request(16, 1))
    assert prefills(one) == [16]
    one.add(request(16, 1))
    assert prefills(one) == [4]


def test_two_at_once_share_a_prefix_already_in_the_first_step() -> None:
    one = engine(budget=100)
    one.add(request(18, 2))
    one.add(request(18, 2))

    assert one.start().prefill_tokens == 18 + 2
    assert one.cache.used == 4 + 1 + 1


def test_an_answer_that_comes_back_in_a_prompt_is_found() -> None:
    one = engine(budget=100)
    one.add(request(8, 12))
    list(steps(one))
    again = request(24, 1)
    one.add(again)
    list(steps(one))

    # The last token produced was never computed, so its block was never full.
    assert again.cached == 16


def test_the_latest_gives_way_when_blocks_run_out_and_is_computed_again() -> None:
    one = engine(blocks=6, budget=100)
    first, second = request(11, 12, group=1), request(11, 12, group=2)
    one.add(first)
    one.add(second)
    served = [served for _, served in steps(one)]

    assert one.preemptions == 1
    assert served[-1] == [second]
    assert (first.produced, second.produced) == (12, 12)


def test_who_gave_way_is_the_next_to_come_in_and_nobody_does_in_that_step() -> None:
    one = engine(blocks=6, budget=8, seqs=2, caching=False)
    first, second, third = request(11, 12, group=1), request(11, 12, group=2), request(1, 1)
    for each in (first, second, third):
        one.add(each)
    while not one.preemptions:
        one.finish()
        one.start()

    assert one.running == [first]
    assert list(one.waiting) == [second, third]


def test_a_steps_work_is_told_apart() -> None:
    one = engine(budget=100)
    one.add(request(5, 3))
    one.start()
    one.finish()
    one.add(request(7, 1, group=1))

    assert one.start() == Batch(prefill_tokens=7, sequences=1, context_tokens=6)
