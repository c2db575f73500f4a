"""The command line, in the words of `vllm serve` as far as it is simulated."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from simulator.device import DEVICES, Device


@dataclass(frozen=True, kw_only=True)
class Options:
    models: tuple[str, ...]
    """Names that requests may use."""
    host: str
    port: int
    device: Device
    max_num_seqs: int
    max_num_batched_tokens: int
    max_model_len: int
    block_size: int
    blocks: int
    caching: bool
    stream_interval: int
    seed: int
    shutdown_timeout: float
    pod: str | None
    """POD_NAME; answers carry it."""
    developing: bool
    """VLLM_SERVER_DEV_MODE; opens what no user may call."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """In one line, without the usage."""
        sys.stderr.write(f"{self.prog}: {message}\n")
        raise SystemExit(2)


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    parser = _parser(environment.get("POD_IP") or "127.0.0.1")
    said = parser.parse_args(arguments)
    device = DEVICES[said.device]
    max_model_len = said.max_model_len or device.max_model_len
    blocks = _blocks(said, device)
    if max_model_len > blocks * said.block_size:
        parser.error(
            f"argument --max-model-len: {max_model_len}: expected at most "
            f"{blocks * said.block_size}, what {blocks} blocks of {said.block_size} tokens hold; "
            "lower it, or give the KV cache more"
        )
    return Options(
        models=tuple(said.served_model_name or [said.model]),
        host=said.host,
        port=said.port,
        device=device,
        max_num_seqs=said.max_num_seqs,
        max_num_batched_tokens=said.max_num_batched_tokens,
        max_model_len=max_model_len,
        block_size=said.block_size,
        blocks=blocks,
        caching=said.enable_prefix_caching,
        stream_interval=said.stream_interval,
        seed=said.seed,
        shutdown_timeout=said.shutdown_timeout,
        pod=environment.get("POD_NAME"),
        developing=environment.get("VLLM_SERVER_DEV_MODE") == "1",
    )


def _parser(host: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="simulator",
        description="A vLLM server simulated on one CPU thread.",
        allow_abbrev=False,
    )
    add: Any = parser.add_argument
    add("--model", required=True, help="its name; the device decides how fast it is")
    add("--served-model-name", nargs="+", help="the names that requests use instead")
    add("--host", default=host, help="address to listen on (default: POD_IP, or %(default)s)")
    add("--port", type=_at_least(0), default=8000, help="0: any (default: %(default)s)")
    add(
        "--device",
        choices=sorted(DEVICES),
        default="h100x2-qwen3-32b",
        help=("what is simulated (default: %(default)s)"),
    )
    # vLLM's own for its server on an H100.
    add("--max-num-seqs", type=_at_least(1), default=1024)
    add("--max-num-batched-tokens", type=_at_least(1), default=8192)
    add("--max-model-len", type=_at_least(1), help="tokens (default: the device's)")
    add("--block-size", type=_at_least(1), default=16, help="tokens (default: %(default)s)")
    cache = parser.add_mutually_exclusive_group()
    cache.add_argument("--num-gpu-blocks-override", type=_at_least(1), help="KV cache, in blocks")
    cache.add_argument(
        "--kv-cache-memory-bytes",
        type=_at_least(1),
        help=("KV cache, in bytes of each accelerator (default: the device's)"),
    )
    add("--enable-prefix-caching", action=argparse.BooleanOptionalAction, default=True)
    add("--stream-interval", type=_at_least(1), default=1, help="tokens in a piece of a stream")
    add("--seed", type=int, default=0, help="of the answers")
    # Under the 30 s that Kubernetes gives a pod to end.
    add(
        "--shutdown-timeout",
        type=float,
        default=20.0,
        help=("seconds for running requests to end after SIGTERM (default: %(default)s)"),
    )
    return parser


def _blocks(said: argparse.Namespace, device: Device) -> int:
    if said.num_gpu_blocks_override:
        return int(said.num_gpu_blocks_override)
    memory = said.kv_cache_memory_bytes or device.kv_cache_memory_bytes
    return int(memory) // (device.kv_token_bytes * said.block_size)


def _at_least(least: int) -> Any:
    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value}: expected at least {least}")
        return value

    number.__name__ = "whole number"  # argparse's word for what it expected
    return number
