"""What of a model's architecture takes memory, read from its Hugging Face `config.json`."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

GIB = 2**30
VOCABULARY_MULTIPLE = 64
"""vLLM pads the vocabulary to it before it splits it."""
BFLOAT16 = 2
INDEXER = 4
"""Bytes of scale that DeepSeek's sparse attention keeps per 128 indexer values of one byte."""

NOT_UNDERSTOOD = (
    "attention_chunk_size",  # Llama 4
    "attn_layer_indices",  # Bamba
    "compress_ratios",  # DeepSeek V4
    "hybrid_override_pattern",  # Nemotron-H
    "layers_block_type",  # Zamba
    "mamba_d_state",
    "num_kv_shared_layers",  # Gemma 3n
    "state_size",  # Mamba
)
"""Keys of architectures whose cache is laid out otherwise; a guess would be worse than none."""

WINDOW_PATTERNS = {"gemma2": 2, "gemma3": 6, "gemma3_text": 6}
"""Every nth layer attends to everything, where the published config.json leaves it out."""


@dataclass(frozen=True, kw_only=True)
class Cache:
    """Attention layers that remember alike."""

    layers: int
    heads: int
    """Of keys and values; 1 for MLA, whose latent vector every rank keeps whole."""
    width: int
    """Values per head and token, key and value together."""
    window: int | None = None
    """Tokens that a sliding layer looks back."""
    beside: int = 0
    """Bytes per token that do not depend on the cache's dtype."""

    def token(self, ranks: int, value: float) -> float:
        """Bytes per token and layer on each of `ranks`; heads are copied when there are fewer."""
        return max(1, self.heads // ranks) * self.width * value + self.beside


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A model as far as memory goes. Counts are of parameters, bits are per parameter."""

    architecture: str
    """As vLLM names it, without `ForCausalLM`: constants are measured per architecture."""
    context: int
    layers: int
    heads: int
    caches: tuple[Cache, ...]
    states: int = 0
    """Layers of linear attention, which keep a state per sequence and nothing per token."""
    state: int = 0
    """Bytes of one such state."""
    table: int
    """Embedding; the output head is as large again, unless tied."""
    tied: bool
    linear: int
    """What quantization shrinks, routed experts aside."""
    experts: int
    """Routed experts, which expert parallelism spreads further."""
    kept: int
    """Norms and routers, which stay as they are."""
    linear_bits: float | None = None
    """As shipped; None where the weights are in the dtype that the server computes in."""
    expert_bits: float | None = None
    beside: float = 0
    """Bytes loaded beyond the above: vision towers, scales, padding."""
    divides: Mapping[str, int]
    """What tensor parallelism splits evenly, by what a user calls it."""
    expert_width: int = 0
    block: int = 1
    """Columns that share a scale; a rank holds whole blocks."""

    @property
    def parameters(self) -> int:
        return self.table * (1 if self.tied else 2) + self.linear + self.experts + self.kept

    @property
    def quantized(self) -> bool:
        return bool(self.linear_bits or self.expert_bits)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], weights: float | None = None) -> "Shape":
        """`weights` are the bytes of the shards that `model.safetensors.index.json` names.

        Left out, they follow from the architecture. ValueError says what is missing or not
        understood.
        """
        text: Mapping[str, Any] = {**config, **config.get("text_config", {})}
        if strange := next((key for key in NOT_UNDERSTOOD if text.get(key)), None):
            raise ValueError(f"`{strange}` is an architecture whose memory is not known here")
        if weights is None and "vision_config" in config:
            raise ValueError("a vision tower is not counted: the bytes of its weights are needed")
        hidden, layers = _count(text, "hidden_size"), _count(text, "num_hidden_layers")
        heads = _count(text, "num_attention_heads")
        vocabulary = -(-_count(text, "vocab_size") // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE
        kinds = _kinds(text, layers)
        linear_bits, expert_bits, block = _quantization(text.get("quantization_config") or {})
        mlp, experts, routers = _feed_forward(text, hidden, layers)
        states = kinds.get("linear_attention", 0)
        attention = (layers - states) * _attention(text, hidden, heads)
        shape = cls(
            architecture=_architecture(text),
            context=_context(text),
            layers=layers,
            heads=heads,
            caches=(*_caches(text, kinds, hidden // heads),),
            states=states,
            state=_state(text) if states else 0,
            table=vocabulary * hidden,
            tied=_tied(config, text),
            linear=attention + mlp,
            experts=experts,
            kept=routers + (2 * layers + 1) * hidden,
            linear_bits=linear_bits,
            expert_bits=expert_bits,
            divides={
                "attention heads": heads,
                "vocabulary entries": vocabulary,
                **{
                    name: text[key]
                    for name, key in (
                        ("intermediate size", "intermediate_size"),
                        ("linear key heads", "linear_num_key_heads"),
                        ("linear value heads", "linear_num_value_heads"),
                    )
                    if text.get(key)
                },
            },
            expert_width=_expert_width(text) if experts else 0,
            block=block,
        )
        if weights is None:
            if states:
                raise ValueError("linear attention is not counted: its weights' bytes are needed")
            return shape
        return replace(shape, beside=weights - sum(shape.weights(BFLOAT16)))

    def weights(self, dtype: float, quantize: float | None = None) -> tuple[float, float, float]:
        """Bytes of embedding and head, of layers, and of routed experts, before any split.

        `quantize` are the bits that the server shrinks weights to while it loads them; what is
        quantized already stays.
        """
        linear = (self.linear_bits or quantize or 8 * dtype) / 8
        experts = (self.expert_bits or quantize or 8 * dtype) / 8
        tables = self.table * (1 if self.tied else 2) * dtype
        rest = self.linear * linear + self.kept * dtype + self.beside
        return tables, rest, self.experts * experts


@cache
def models() -> Mapping[str, Shape]:
    """Known models by their Hugging Face repository."""
    configs = yaml.safe_load(Path(__file__).with_name("models.yaml").read_text())
    return {
        name: Shape.from_config(
            config, weights=config["weights_gib"] * GIB if "weights_gib" in config else None
        )
        for name, config in configs.items()
    }


def _count(config: Mapping[str, Any], key: str) -> int:
    if type(value := config.get(key)) is not int or value < 1:
        raise ValueError(f"`{key}` is missing, or not a positive number")
    return value


def _architecture(config: Mapping[str, Any]) -> str:
    name = str((config.get("architectures") or [""])[0])
    return name.removesuffix("ForCausalLM").removesuffix("ForConditionalGeneration")


def _context(config: Mapping[str, Any]) -> int:
    """Tokens that vLLM allows, which YaRN stretches."""
    rope: Mapping[str, Any] = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if rope.get("rope_type", rope.get("type")) == "yarn":
        trained = rope.get("original_max_position_embeddings")
        return int(rope.get("factor", 1) * (trained or _count(config, "max_position_embeddings")))
    return _count(config, "max_position_embeddings")


def _tied(outer: Mapping[str, Any], text: Mapping[str, Any]) -> bool:
    """A config.json leaves out its class's default, and Gemma's is not that of the others."""
    default = str(text.get("model_type", "")).startswith("gemma")
    return bool(outer.get("tie_word_embeddings", text.get("tie_word_embeddings", default)))


def _kinds(config: Mapping[str, Any], layers: int) -> Counter[str]:
    """Kind of layer -> how many there are."""
    if types := config.get("layer_types"):
        kinds = Counter[str](types)
        if strange := kinds.keys() - {"full_attention", "sliding_attention", "linear_attention"}:
            raise ValueError(f"`layer_types` has {', '.join(sorted(strange))}, not known here")
        return kinds
    if every := config.get("full_attention_interval"):
        return Counter(full_attention=layers // every, linear_attention=layers - layers // every)
    if not config.get("sliding_window") or config.get("use_sliding_window") is False:
        return Counter(full_attention=layers)
    every = config.get("sliding_window_pattern") or WINDOW_PATTERNS.get(
        config.get("model_type", ""), layers + 1
    )
    return +Counter(full_attention=layers // every, sliding_attention=layers - layers // every)


def _caches(config: Mapping[str, Any], kinds: Mapping[str, int], default: int) -> Iterator[Cache]:
    heads = config.get("num_key_value_heads") or _count(config, "num_attention_heads")
    width = config.get("head_dim") or default
    for kind in ("full_attention", "sliding_attention"):
        if not (layers := kinds.get(kind, 0)):
            continue
        if rank := config.get("kv_lora_rank"):
            indexer = config.get("index_head_dim") or 0
            yield Cache(
                layers=layers,
                heads=1,
                width=rank + _count(config, "qk_rope_head_dim"),
                beside=indexer + INDEXER if indexer else 0,
            )
        elif kind == "full_attention":
            yield Cache(
                layers=layers,
                heads=config.get("num_global_key_value_heads") or heads,
                width=2 * (config.get("global_head_dim") or width),
            )
        else:
            yield Cache(
                layers=layers, heads=heads, width=2 * width, window=_count(config, "sliding_window")
            )


def _state(config: Mapping[str, Any]) -> int:
    """Gated delta net: a matrix per value head in float32, and the convolution's last inputs."""
    key = _count(config, "linear_num_key_heads") * _count(config, "linear_key_head_dim")
    values = _count(config, "linear_num_value_heads") * _count(config, "linear_value_head_dim")
    convolution = (2 * key + values) * (_count(config, "linear_conv_kernel_dim") - 1) * BFLOAT16
    return values * _count(config, "linear_key_head_dim") * 4 + convolution


def _attention(config: Mapping[str, Any], hidden: int, heads: int) -> int:
    """Parameters of one layer's projections."""
    if rank := config.get("kv_lora_rank"):
        rope, nope = _count(config, "qk_rope_head_dim"), _count(config, "qk_nope_head_dim")
        value, query = _count(config, "v_head_dim"), heads * (nope + rope)
        low = config.get("q_lora_rank")
        return (
            (low * (hidden + query) if low else hidden * query)
            + hidden * (rank + rope)
            + rank * heads * (nope + value)
            + heads * value * hidden
        )
    width = config.get("head_dim") or hidden // heads
    return 2 * hidden * width * (heads + (config.get("num_key_value_heads") or heads))


def _expert_width(config: Mapping[str, Any]) -> int:
    return config.get("moe_intermediate_size") or _count(config, "intermediate_size")


def _feed_forward(config: Mapping[str, Any], hidden: int, layers: int) -> tuple[int, int, int]:
    """Parameters of dense and shared parts, of routed experts, and of routers; gated, so 3 each."""
    names = ("num_experts", "num_local_experts", "n_routed_experts")
    experts = next((config[name] for name in names if config.get(name)), 0)
    if not experts:
        return 3 * hidden * _count(config, "intermediate_size") * layers, 0, 0
    dense = config.get("first_k_dense_replace", 0) + len(config.get("mlp_only_layers") or ())
    routed = (layers - dense) // config.get("decoder_sparse_step", 1)
    width = _expert_width(config)
    shared = config.get("shared_expert_intermediate_size") or (
        (config.get("n_shared_experts") or 0) * width
    )
    rest = (layers - routed) * _count(config, "intermediate_size") if layers > routed else 0
    return (
        3 * hidden * (rest + routed * shared),
        3 * hidden * width * experts * routed,
        hidden * experts * routed,
    )


def _quantization(config: Mapping[str, Any]) -> tuple[float | None, float | None, int]:
    """Bits of linear layers and of experts, and how many columns share a scale."""
    match config.get("quant_method"):
        case None:
            return None, None, 1
        case "mxfp4":  # the experts alone; a scale of 8 bits per 32, which vLLM pads to
            return None, 4.25, 1
        case "fp8":
            return 8, 8, (config.get("weight_block_size") or [1])[-1]
        case "awq" | "gptq":
            bits, group = _count(config, "bits"), _count(config, "group_size")
        case "compressed-tensors":
            weights = next(iter(config["config_groups"].values()))["weights"]
            bits, group = weights["num_bits"], weights.get("group_size") or 0
        case other:
            raise ValueError(f"`quant_method` {other} is not known here")
    grouped = group > 0
    width = bits + 16 / group if grouped else bits
    return width, width, group if grouped else 1
