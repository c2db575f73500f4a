"""The KV cache as vLLM V1 keeps it: blocks with reference counts, found again by hash."""

from collections import OrderedDict
from collections.abc import Sequence


class BlockCache:
    """`caching` off, nothing is found again."""

    def __init__(self, size: int, *, caching: bool = True) -> None:
        self.size = size
        self._caching = caching
        self._references = [0] * size
        # Nobody's, the next to be given away first. Such a block may still hold a prefix.
        self._free: OrderedDict[int, None] = OrderedDict.fromkeys(range(size))
        self._hash_of: dict[int, int] = {}
        self._by_hash: dict[int, int] = {}

    @property
    def used(self) -> int:
        """Blocks that somebody holds; what is only kept in case it is asked for again is free."""
        return self.size - len(self._free)

    @property
    def usage(self) -> float:
        return self.used / self.size

    def find(self, hashes: Sequence[int]) -> list[int]:
        """The blocks of the longest known prefix."""
        found: list[int] = []
        for one in hashes:
            if (block := self._by_hash.get(one)) is None:
                break
            found.append(block)
        return found

    def take(self, shared: Sequence[int], new: int) -> list[int] | None:
        """Hold `shared` blocks and `new` ones; None, and nothing held, if there are too few."""
        idle = sum(1 for block in shared if not self._references[block])
        if new > len(self._free) - idle:
            return None
        for block in shared:
            if not self._references[block]:
                del self._free[block]
            self._references[block] += 1
        fresh = [self._free.popitem(last=False)[0] for _ in range(new)]
        for block in fresh:
            self._forget(block)
            self._references[block] = 1
        return [*shared, *fresh]

    def seal(self, block: int, hash_: int) -> None:
        """The block is full: others may find it. Of two alike the first is the one found."""
        if self._caching and hash_ not in self._by_hash:
            self._by_hash[hash_] = block
            self._hash_of[block] = hash_

    def release(self, blocks: Sequence[int]) -> None:
        """From the end, so that a prefix's beginning, which more prompts share, stays longest."""
        for block in reversed(blocks):
            self._references[block] -= 1
            if not self._references[block]:
                self._free[block] = None

    def reset(self) -> bool:
        """Forget every prefix; refused while blocks are held, as vLLM refuses it."""
        if self.used:
            return False
        self._hash_of.clear()
        self._by_hash.clear()
        return True

    def _forget(self, block: int) -> None:
        if (hash_ := self._hash_of.pop(block, None)) is not None:
            del self._by_hash[hash_]
