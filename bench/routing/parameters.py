"""All that decides the figures, fixed before anything was measured, and why.

The example is the guide's benchmark (llm-d, guides/inference-scheduling, "Benchmarking"): 150
groups that share 6 000 tokens each, questions of 1 200, answers of 1 000, a Poisson process of 3 to
60 requests/s for ten minutes on 8 replicas. Of that, replicas and rates fit into minutes on two
cores; lengths shrink, and proportions stay where they can:

* Question : prefix is 1 : 5, as there. At 14 400 characters a prompt stays below the 16 384 that
  the endpoint picker compares; the guide's 28 800 do not.
* KV cache: all prefixes take 2.75 times what one replica has, as there (900 000 of 331 000 tokens).
  That decides whether routing by prefix can win at all.
* Answers are shorter than the guide's proportion would have them (64 tokens for 500): an answer of
  500 takes longer than a stage lasts. Prefill, which a cached prefix saves, weighs more for that.
* Rates are half, once and 1.6 times what a replica without cached prefixes sustains, which follows
  from the simulated device: 226 ms of prefill and 64 x (11.2 ms / 15 + 0.64 ms) of decoding, 15
  being the prompts that fit into its cache, are 0.31 s a request, so 25/s for eight.
* No question comes twice. The guide's do, which flatters whoever finds the same replica again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

CHARACTERS_PER_TOKEN = 4
"""Of the simulator, and what the endpoint picker assumes."""

MODEL = "Qwen/Qwen3-32B"
"""The guide's; the simulator's device is two H100 with it."""
REPLICAS = 8
KV_CACHE = 8 * 2**30
"""Bytes, of each of a replica's two accelerators, at 128 KiB a token: 65 536 tokens."""

SEEDS = (1, 2, 3)
"""Each decides prompts, their order and their moments, the same for every arm."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of the load: a Poisson process."""

    rate: float
    """Requests per second."""
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Workload:
    name: str
    says: str
    groups: int
    prefix_tokens: int
    question_tokens: int
    output_tokens: int
    warm_everywhere: bool
    """Whether each replica itself is shown every prefix first, whoever would choose it."""
    warm_up_rate: float
    """Of one request of every group; what is measured begins when all are answered."""
    stages: Sequence[Stage]


PRESSURE = Workload(
    name="pressure",
    says="prefixes take 2.75 times what one replica's cache holds",
    groups=60,
    prefix_tokens=3000,
    question_tokens=600,
    output_tokens=64,
    warm_everywhere=False,
    # As the guide's: no more than the servers sustain.
    warm_up_rate=25,
    stages=(
        Stage(rate=12, seconds=3),
        Stage(rate=25, seconds=3),
        Stage(rate=40, seconds=3),
    ),
)
CONTROL = Workload(
    name="control",
    says="all prefixes fit into every replica: there is nothing to win",
    # 12 x 1 500 are 28 % of a cache; more groups than replicas, so that affinity alone could
    # give every replica work.
    groups=12,
    prefix_tokens=1500,
    question_tokens=600,
    output_tokens=64,
    warm_everywhere=True,
    warm_up_rate=25,
    # Eight warm replicas sustain about 85/s: a sixth and a half of that.
    stages=(Stage(rate=14, seconds=2), Stage(rate=42, seconds=2)),
)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A way to choose the replica."""

    name: str
    says: str
    preset: str | None = None
    """Of the endpoint picker."""
    balancing: str | None = None
    """Without an endpoint picker: Envoy's `lb_policy`."""


ROUND_ROBIN = Arm(
    name="round-robin",
    says="Envoy without endpoint picker, each replica in turn",
    balancing="ROUND_ROBIN",
)
RANDOM = Arm(
    name="random",
    says="Envoy without endpoint picker, any replica: what a Kubernetes Service does with each new "
    "connection",
    balancing="RANDOM",
)
DEFAULT = Arm(name="default", says="queue 2, KV cache 2, prefix 3: llm-d's", preset="default")
QUEUE = Arm(name="queue", says="queue alone", preset="queue")
MULTI_FACTOR = Arm(
    name="multi-factor",
    says="queue 1, KV cache 2, prefix 3: the OpenShift guide's",
    preset="multi-factor",
)
PREFIX_HEAVY = Arm(name="prefix-heavy", says="queue 1, KV cache 1, prefix 5", preset="prefix-heavy")
BALANCED = Arm(name="balanced", says="the default, and running requests 2: ours", preset="balanced")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is compared under one workload; the first arm is what the others are compared to."""

    workload: Workload
    arms: Sequence[Arm]


FULL = (
    Trial(
        workload=PRESSURE,
        arms=(ROUND_ROBIN, RANDOM, DEFAULT, QUEUE, MULTI_FACTOR, PREFIX_HEAVY, BALANCED),
    ),
    Trial(workload=CONTROL, arms=(ROUND_ROBIN, DEFAULT, BALANCED)),
)
SHORT = (Trial(workload=PRESSURE, arms=(ROUND_ROBIN, DEFAULT)),)
