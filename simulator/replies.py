"""What is sent back: chat and text completions, whole and in pieces."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The answer to one request, in one of the API's two forms."""

    chat: bool
    identity: str
    """`chatcmpl-...` or `cmpl-...`."""
    created: int
    model: str
    prompt_tokens: int

    def whole(self, text: str, reason: str, completion_tokens: int, cached: int) -> dict[str, Any]:
        said = {"message": {"role": "assistant", "content": text}} if self.chat else {"text": text}
        return {
            **self._head("chat.completion"),
            "choices": [self._choice(said, reason)],
            **self.usage(completion_tokens, cached),
        }

    def piece(self, text: str, reason: str | None, *, first: bool) -> dict[str, Any]:
        """`reason` comes with the last piece."""
        role = {"role": "assistant"} if first else {}
        said = {"delta": {**role, "content": text}} if self.chat else {"text": text}
        return {**self._head("chat.completion.chunk"), "choices": [self._choice(said, reason)]}

    def summary(self, completion_tokens: int, cached: int) -> dict[str, Any]:
        """After the last piece, for who asked for it."""
        return {
            **self._head("chat.completion.chunk"),
            "choices": [],
            **self.usage(completion_tokens, cached),
        }

    def usage(self, completion_tokens: int, cached: int) -> dict[str, Any]:
        return {
            "usage": {
                "prompt_tokens": self.prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": self.prompt_tokens + completion_tokens,
                "prompt_tokens_details": {"cached_tokens": cached},
            }
        }

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.identity,
            "object": kind if self.chat else "text_completion",
            "created": self.created,
            "model": self.model,
        }

    def _choice(self, said: dict[str, Any], reason: str | None) -> dict[str, Any]:
        return {"index": 0, **said, "logprobs": None, "finish_reason": reason}
