import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from simulator.blocks import BlockCache


class Cache(RuleBasedStateMachine):
    """Holders come and go; beside the cache, who holds what is written down."""

    @initialize(size=st.integers(1, 12))
    def begin(self, size: int) -> None:
        self.cache = BlockCache(size)
        self.held: list[list[int]] = []
        self.content: dict[int, int] = {}

    @rule(prefix=st.lists(st.integers(0, 3), max_size=4), more=st.integers(0, 4))
    def take(self, prefix: list[int], more: int) -> None:
        chain = [hash(tuple(prefix[: end + 1])) for end in range(len(prefix))]
        found = self.cache.find(chain)
        assert [self.content[block] for block in found] == chain[: len(found)]
        blocks = self.cache.take(found, len(chain) - len(found) + more)
        if blocks is None:
            return
        assert blocks[: len(found)] == found
        for block in blocks[len(found) :]:
            self.content.pop(block, None)
        for block, hash_ in zip(blocks, chain, strict=False):
            self.cache.seal(block, hash_)
            self.content[block] = hash_
        self.held.append(blocks)

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        if self.held:
            at = data.draw(st.integers(0, len(self.held) - 1))
            self.cache.release(self.held.pop(at))

    @rule()
    def reset(self) -> None:
        assert self.cache.reset() is not any(self.held)

    @invariant()
    def counts_exactly_what_is_held(self) -> None:
        distinct = {block for blocks in self.held for block in blocks}
        assert self.cache.used == len(distinct)
        assert 0 <= self.cache.usage <= 1


TestCache = Cache.TestCase


def test_a_prefix_is_held_once_however_many_share_it() -> None:
    cache = BlockCache(10)
    first = cache.take((), 3)
    assert first
    for block, hash_ in zip(first, (1, 2, 3), strict=True):
        cache.seal(block, hash_)

    second = cache.take(cache.find([1, 2, 3]), 1)

    assert second
    assert second[:3] == first
    assert cache.used == 4


def test_what_nobody_holds_is_found_again_and_counts_as_free() -> None:
    cache = BlockCache(4)
    blocks = cache.take((), 2)
    assert blocks
    cache.seal(blocks[0], 1)
    cache.release(blocks)

    assert cache.usage == 0
    assert cache.find([1]) == blocks[:1]


def test_the_longest_unused_goes_first_and_a_prefix_from_its_end() -> None:
    cache = BlockCache(4)
    for hashes in ((1, 2), (3, 4)):
        blocks = cache.take((), 2)
        assert blocks
        for block, hash_ in zip(blocks, hashes, strict=True):
            cache.seal(block, hash_)
        cache.release(blocks)

    cache.take((), 1)
    assert len(cache.find([1, 2])) == 1
    assert len(cache.find([3, 4])) == 2


def test_too_few_blocks_take_nothing() -> None:
    cache = BlockCache(4)
    blocks = cache.take((), 3)
    assert blocks
    cache.seal(blocks[0], 1)
    cache.release(blocks)

    assert cache.take(cache.find([1]), 4) is None
    assert cache.used == 0


@pytest.mark.parametrize("caching", [True, False])
def test_nothing_is_found_again_without_caching(*, caching: bool) -> None:
    cache = BlockCache(2, caching=caching)
    blocks = cache.take((), 1)
    assert blocks
    cache.seal(blocks[0], 1)

    assert bool(cache.find([1])) is caching


@given(hashes=st.lists(st.integers(0, 3), max_size=6))
def test_a_prefix_ends_at_its_first_unknown_block(hashes: list[int]) -> None:
    cache = BlockCache(2)
    blocks = cache.take((), 2)
    assert blocks
    cache.seal(blocks[0], 0)
    cache.seal(blocks[1], 1)

    known = next((at for at, one in enumerate(hashes) if one > 1), len(hashes))
    assert len(cache.find(hashes)) == known
