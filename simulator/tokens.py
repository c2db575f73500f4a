"""Text as tokens, without a tokenizer: a token is four characters, in prompts and in answers.

English is about four characters per token in common vocabularies, so lengths come out right, and
cutting text costs nothing. Chat turns are padded to whole tokens, so that an answer that comes back
in the next prompt falls on the same tokens and finds its blocks in the cache.
"""

from collections.abc import Iterable, Iterator
from hashlib import shake_128
from itertools import product

WIDTH = 4
"""Characters of a token."""

VOCABULARY = [
    f" {first}{vowel}{last}" for first, vowel, last in product("bdfgklmn", "aeio", "lmnprstx")
]
"""A token for each byte that a prompt's digest may hold."""

SHORTEST, LONGEST = 16, 272
"""Tokens of an answer that ends by itself."""


def count(text: str) -> int:
    return -(-len(text) // WIDTH)


def chat(messages: Iterable[tuple[str, str]]) -> str:
    """The prompt of a conversation of (role, text), up to where the assistant speaks next."""
    return "".join(
        [
            *(
                f"{_padded(f'<|im_start|>{role}')}{_padded(f'{text}<|im_end|>')}"
                for role, text in messages
            ),
            _padded("<|im_start|>assistant"),
        ]
    )


def hashes(prompt: str, answer: str, block_size: int) -> list[int]:
    """One per full block, each standing for its tokens and for all before them."""

    def chained() -> Iterator[int]:
        text, width, before = _padded(prompt) + answer, block_size * WIDTH, 0
        for end in range(width, len(text) + 1, width):
            before = hash((before, text[end - width : end]))
            yield before

    return list(chained())


def answer(
    prompt: str, *, seed: int, limit: int, at_least: int, ignore_eos: bool
) -> tuple[str, bool]:
    """What follows a prompt, and whether it ended by itself.

    The same prompt and seed give the same words, whoever else is served, and a lower limit gives
    their beginning: a client can tell an answer that is wrong, mixed up or there twice.
    """
    digest = shake_128(f"{seed} {prompt}".encode(errors="surrogatepass"))
    length = int.from_bytes(digest.digest(2)) % (LONGEST - SHORTEST) + SHORTEST
    natural = limit + 1 if ignore_eos else max(length, at_least)
    words = digest.digest(min(natural, limit))
    return "".join(VOCABULARY[byte] for byte in words), natural <= limit


def stopped(text: str, stops: Iterable[str], at_least: int) -> tuple[str, int] | None:
    """The text before the first stop string, and the tokens it took to see that string."""
    skip = at_least * WIDTH
    # A stop string counts once it ends in a token after the least that was asked for.
    found = [
        (at, stop) for stop in stops if (at := text.find(stop, max(skip - len(stop) + 1, 0))) >= 0
    ]
    if not found:
        return None
    at, stop = min(found, key=lambda pair: pair[0] + len(pair[1]))
    return text[:at], count(text[: at + len(stop)])


def _padded(text: str) -> str:
    return text + " " * (-len(text) % WIDTH)
