"""Sizes: what fits on the stack's machines, what is refused with a way out, what is picked."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from machines_of import H100, machines
from recording import stack_config
from test_bad_input import MODEL, planned, told

from components import outputs
from stack import capacity, quantity
from stack.plan import Capacity, Model, Plan
from stack.problems import StackError

TOKEN = frozenset({"hfToken"})
LLAMA_70B = "meta-llama/Llama-3.3-70B-Instruct"
DEEPSEEK = "deepseek-ai/DeepSeek-R1"
QWEN_32B = "Qwen/Qwen3-32B"
KNOWN = sorted(capacity.models())
TINY = {
    "hidden_size": 1024,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "intermediate_size": 4096,
    "vocab_size": 32000,
    "max_position_embeddings": 8192,
}
"""A config.json, as far as memory goes."""


def on(cluster: dict[str, Any], hardware: str = "cuda", **model: object) -> Model:
    said = MODEL | model
    return planned(TOKEN, cluster=cluster, hardware=hardware, models=[said]).models[0]


def refused(cluster: dict[str, Any], hardware: str = "cuda", **model: object) -> tuple[str, ...]:
    return told(TOKEN, cluster=cluster, hardware=hardware, models=[MODEL | model])


def held(model: Model) -> Capacity:
    assert isinstance(model.capacity, Capacity), model.capacity
    return model.capacity


def taken(plan: Plan) -> dict[str, Decimal]:
    """What all pods of a plan ask for."""
    asked = [quantity.parse_all(plan.models[0].pool.requests)]
    asked += [quantity.parse_all(plan.entrance.requests)] * plan.entrance.replicas
    for model in plan.models:
        for role in model.service.roles:
            asked += [role.pod_requests] * role.pods
    return {
        kind: sum((one.get(kind, Decimal()) for one in asked), Decimal())
        for kind in ("cpu", "memory")
    }


# What a pod asks for


def test_a_laptop_of_eight_cpus_has_room_for_everything_and_a_prometheus() -> None:
    """The guides' own numbers ask for more than ten CPUs."""
    laptop: dict[str, Any] = {
        key.removeprefix("llm-d:"): value
        for key, value in stack_config("minikube").items()
        if key != "llm-d:cluster"
    }
    made = planned(
        **laptop, cluster=machines(cpu="8", memory="24Gi"), monitoring={"prometheus": "install"}
    )

    [model] = made.models
    prometheus = {"cpu": Decimal("0.5"), "memory": Decimal(2 * 2**30)}
    assert model.service.decode.replicas == 2
    assert taken(made)["cpu"] + prometheus["cpu"] <= 8
    assert taken(made)["memory"] + prometheus["memory"] <= 24 * 2**30


@given(
    hardware=st.sampled_from(["cpu", "cpu-arm64", "cuda", "rocm", "xpu"]),
    count=st.integers(1, 4),
    cpu=st.integers(4, 128),
    memory=st.integers(16, 512),
    replicas=st.integers(1, 8),
)
@settings(max_examples=60)
def test_pods_share_a_node_and_leave_room_beside_them(
    hardware: str, count: int, cpu: int, memory: int, replicas: int
) -> None:
    """Where they do not, the stack is refused."""
    nodes = machines(count, str(cpu), f"{memory}Gi", devices=4)
    release = "current" if hardware == "rocm" else "v0.5"
    try:
        made = planned(
            release=release,
            cluster=nodes,
            hardware=hardware,
            models=[MODEL | {"replicas": replicas, "maxModelLen": 1024}],
        )
    except StackError:
        reject()

    assert taken(made)["cpu"] <= count * cpu
    assert taken(made)["memory"] <= count * memory * 2**30
    [role] = made.models[0].service.roles
    for kind, limit in role.limits.items():
        assert quantity.parse(role.requests.get(kind, "0")) <= quantity.parse(limit)


def test_a_machine_larger_than_the_guides_does_not_make_pods_larger() -> None:
    assert on(H100).service.decode.requests == {
        "cpu": "32",
        "memory": "100Gi",
        "nvidia.com/gpu": "1",
    }


def test_what_the_stack_file_asks_for_is_what_a_pod_gets() -> None:
    asked = {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "2", "memory": "9Gi"}}
    nodes = machines(cpu="8", memory="24Gi")
    role = on(nodes, "cpu", resources=asked, maxModelLen=4096).service.decode

    assert role.requests == {"cpu": "1", "memory": "2Gi"}
    assert role.limits == {"cpu": "2", "memory": "9Gi"}


def test_the_cache_of_a_cpu_pod_is_what_its_memory_leaves() -> None:
    small, large = (
        on(machines(cpu="8", memory=memory), "cpu", maxModelLen=4096) for memory in ("16Gi", "64Gi")
    )

    def cache(model: Model) -> int:
        [said] = [one for one in model.service.decode.args if "kv-cache-memory" in one]
        return int(said.partition("=")[2])

    assert cache(small) < 8 * 2**30 < cache(large) == 32 * 2**30


# How long it may take, and how much disk


def test_a_server_has_time_to_download_its_model_over_the_line_that_is_declared() -> None:
    slow, fast = (
        on(machines(devices=8, downloadMbps=mbps), name=QWEN_32B, tensorParallel=2).service
        for mbps in (100, 10_000)
    )
    bits = capacity.models()[QWEN_32B].parameters * 16

    assert slow.startup_seconds - fast.startup_seconds == pytest.approx(bits / 1e8 * 0.99, abs=2)
    assert slow.deadline_seconds > slow.startup_seconds > bits / 1e8


def test_disk_follows_from_what_is_known_of_a_model() -> None:
    assert on(H100).service.files.size == "2Gi"
    assert on(H100, name=QWEN_32B, tensorParallel=2).service.files.size == "71Gi"
    assert on(H100, name="someone/something").service.files.size == "20Gi"
    assert on(H100, storage="8Gi").service.files.size == "8Gi"


@pytest.mark.parametrize(
    ("said", "path"),
    [({"storage": "20Gi"}, "storage"), ({"claim": {"size": "20Gi"}}, "claim.size")],
)
def test_a_disk_that_does_not_hold_the_model_is_refused(said: dict[str, Any], path: str) -> None:
    assert refused(H100, name=QWEN_32B, tensorParallel=2, **said) == (
        f"`models[0].{path}` is `20Gi`, expected at least 61.02 GiB, the size of its weights",
    )


# What does not fit


def test_a_model_that_cannot_start_is_refused_with_the_sum_and_the_smallest_changes() -> None:
    [problem] = refused(H100, name=LLAMA_70B)

    assert problem.splitlines() == [
        (
            f"`models[0].name` is `{LLAMA_70B}`, expected room for 133.58 GiB, which are needed "
            "before there is KV cache for a first token: NVIDIA H100 80GB has 75.23 GiB to use"
        ),
        "      79.19 GiB of NVIDIA H100 80GB x 0.95",
        "      - 131.42 GiB weights",
        "      - 1.89 GiB working memory",
        "      - 0.27 GiB outside of torch (measured with vLLM 0.19 on H100)",
        "      = -58.35 GiB for KV cache",
        "      one request of 131,072 tokens takes 40.00 GiB: 0.0 at once",
        "      what would do:",
        (
            "        tensorParallel: 4: 503,136 KV tokens, 3.8 requests of 131,072 tokens at once, "
            "4 accelerator(s)"
        ),
        (
            "        maxModelLen: 17408, quantization: fp8: 17,696 KV tokens, 1.0 requests of "
            "17,408 tokens at once, 1 accelerator(s)"
        ),
        (
            "        tensorParallel: 2, maxModelLen: 35840: 36,256 KV tokens, 1.0 requests of "
            "35,840 tokens at once, 2 accelerator(s)"
        ),
    ]


def test_a_length_that_does_not_fit_is_told_where_it_is_said() -> None:
    [problem] = refused(machines(devices=1, accelerator="l4"), name="Qwen/Qwen3-8B")

    assert problem.startswith(
        "`models[0].maxModelLen` is `40960, the model's own`, expected at most"
    )


def test_a_release_that_keeps_cuda_graphs_beside_the_cache_holds_less() -> None:
    asked: dict[str, Any] = {"cluster": H100, "hardware": "cuda", "models": [MODEL]}
    [older], [newer] = (planned(release=release, **asked).models for release in ("v0.5", "current"))

    assert held(older).kv_tokens > held(newer).kv_tokens


def test_the_share_of_memory_that_an_argument_says_is_the_one_that_counts() -> None:
    half = ["--gpu-memory-utilization=0.5"]

    assert held(on(H100)).kv_tokens > held(on(H100, args=half)).kv_tokens
    assert [*on(H100, args=half).service.decode.args].count(half[0]) == 1
    assert refused(H100, args=["--gpu-memory-utilization=most"]) == (
        "`models[0].args[0]` is `--gpu-memory-utilization=most`, expected a number above 0",
    )


def test_more_machines_for_a_replica_are_suggested_where_one_is_too_small() -> None:
    [problem] = refused(H100, name=DEEPSEEK, tensorParallel=8)

    assert problem.splitlines()[-1] == (
        "        nodes: 2, tensorParallel: 16: 466,784 KV tokens, 2.8 requests of 163,840 tokens "
        "at once, 16 accelerator(s)"
    )
    assert on(H100, name=DEEPSEEK, tensorParallel=16, nodes=2)


def test_where_nothing_would_do_it_is_said() -> None:
    [problem] = refused(machines(devices=1, accelerator="l4"), name=DEEPSEEK)

    assert problem.splitlines()[-1] == (
        "      what would do: a smaller model, or nodes with more or larger accelerators"
    )


def test_pods_that_read_prompts_have_to_hold_the_model_too() -> None:
    [problem] = refused(
        H100, name=LLAMA_70B, tensorParallel=4, prefill={"tensorParallel": 1}, maxModelLen=8192
    )

    assert problem.startswith(f"`models[0].name` is `{LLAMA_70B}`, expected room for 133.58 GiB")
    assert "\n        prefill.tensorParallel: 2: " in problem


def test_an_accelerator_nobody_has_measured_gives_upper_bounds() -> None:
    assert held(on(machines(devices=8, accelerator="mi300x"))).is_bound
    assert not held(on(H100)).is_bound


@given(
    model=st.sampled_from(KNOWN),
    accelerator=st.sampled_from(["l4", "a100-40gb", "h100-80gb", "h200"]),
    devices=st.sampled_from([1, 2, 4, 8]),
    count=st.integers(1, 2),
    ranks=st.sampled_from([1, 2, 4, 8]),
)
@settings(max_examples=60)
def test_every_suggestion_is_accepted(
    model: str, accelerator: str, devices: int, count: int, ranks: int
) -> None:
    """Written into the stack file as it stands, each makes a stack that is planned."""
    cluster = machines(count, devices=devices, accelerator=accelerator)
    said: dict[str, Any] = {"name": model, "tensorParallel": min(ranks, devices)}
    try:
        on(cluster, **said)
    except StackError as refusal:
        for line in str(refusal).splitlines():
            if found := re.match(r" {8}(.*?): [\d,]+ KV tokens", line):
                on(cluster, **said | yaml.safe_load(f"{{{found[1]}}}"))


# What is picked


@pytest.mark.parametrize(
    ("model", "picked"),
    [
        ("Qwen/Qwen3-8B", (1, 40960, 16)),
        (LLAMA_70B, (4, 131072, 4)),
        ("Qwen/Qwen3-235B-A22B", (8, 40960, 2)),
    ],
)
def test_auto_picks_the_fewest_devices_for_the_whole_context_and_fills_the_nodes(
    model: str, picked: tuple[int, int, int]
) -> None:
    role = on(H100, name=model, sizing="auto").service.decode
    said = {one.partition("=")[0]: one.partition("=")[2] for one in role.args}

    ranks = int(said.get("--tensor-parallel-size", "1"))
    assert (ranks, int(said["--max-model-len"]), role.replicas) == picked


def test_auto_keeps_the_length_and_the_replicas_that_are_asked_for() -> None:
    role = on(H100, name=LLAMA_70B, sizing="auto", maxModelLen=8192, replicas=3).service.decode

    assert role.replicas == 3
    assert "--max-model-len=8192" in role.args
    assert "--tensor-parallel-size=2" in role.args


def test_auto_takes_all_chips_of_a_tpu_machine() -> None:
    tpus = machines(2, devices=8)
    made = planned(
        release="v0.6",
        cluster=tpus,
        hardware="tpu-v6e",
        models=[{"name": QWEN_32B, "sizing": "auto"}],
    )

    [role] = made.models[0].service.roles
    assert role.limits["google.com/tpu"] == "8"
    assert role.replicas == 2


def test_models_that_are_sized_take_turns_for_what_the_nodes_have() -> None:
    several = [{"name": QWEN_32B, "sizing": "auto"}, MODEL | {"id": "small", "sizing": "auto"}]
    first, second = planned(cluster=H100, hardware="cuda", models=several).models

    assert first.service.decode.replicas == second.service.decode.replicas == 8


@given(
    model=st.sampled_from(KNOWN),
    accelerator=st.sampled_from(sorted(capacity.DEVICES)),
    devices=st.integers(1, 8),
    count=st.integers(1, 3),
)
@settings(max_examples=60)
def test_what_auto_picks_is_planned_and_fits(
    model: str, accelerator: str, devices: int, count: int
) -> None:
    cluster = machines(count, devices=devices, accelerator=accelerator)
    try:
        role = on(cluster, name=model, sizing="auto").service.decode
    except StackError:
        reject()

    assert 1 <= role.pods * int(role.limits["nvidia.com/gpu"]) <= count * devices


@pytest.mark.parametrize(
    ("said", "told_so"),
    [
        (
            {"tensorParallel": 2},
            (
                "`models[0].tensorParallel` is `2`, expected left out, or no `sizing: auto` "
                "beside it, which is for one node a replica"
            ),
        ),
        (
            {"prefill": {}},
            (
                "`models[0].prefill` is `given`, expected left out, or no `sizing: auto` beside "
                "it, which is for one node a replica"
            ),
        ),
        (
            {"name": "someone/something"},
            (
                "`models[0].sizing` is `auto`, expected sizes of your own: someone/something is "
                "not among the known models, and has no `shape`"
            ),
        ),
    ],
)
def test_auto_says_why_it_cannot_pick(said: dict[str, Any], told_so: str) -> None:
    assert refused(H100, sizing="auto", **said) == (told_so,)


def test_auto_needs_to_know_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    monkeypatch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")

    assert refused({"kind": "existing", "context": "c"}, sizing="auto") == (
        "`models[0].sizing` is `auto`, expected `cluster.nodes` too: sizes are picked for machines",
    )


# Words about machines and models


@pytest.mark.parametrize(
    ("hardware", "accelerator", "told_so"),
    [
        ("cpu", "h100-80gb", "nothing on hardware `cpu`, which has none"),
        ("tpu7x", "h100-80gb", "`tpu7x`, or left out: `tpu7x` is that"),
    ],
)
def test_an_accelerator_that_the_hardware_is_not_is_refused(
    hardware: str, accelerator: str, told_so: str
) -> None:
    problems = refused(
        machines(devices=4, accelerator=accelerator),
        hardware,
        tensorParallel=1 if hardware == "cpu" else 8,
    )

    assert problems == (f"`cluster.nodes.accelerator` is `{accelerator}`, expected {told_so}",)


def test_an_unknown_accelerator_is_refused_with_the_nearest() -> None:
    [problem] = refused(machines(devices=8, accelerator="l40"))

    assert problem.startswith("`cluster.nodes.accelerator` is `l40`, expected one of a100-40gb, ")
    assert problem.endswith("; did you mean `l40s`?")


@pytest.mark.parametrize("key", ["quantization", "kvCacheDtype"])
def test_fp8_is_refused_where_the_accelerator_has_none(key: str) -> None:
    assert refused(machines(devices=8, accelerator="a100-80gb"), **{key: "fp8"}) == (
        f"`models[0].{key}` is `fp8`, expected left out: NVIDIA A100 80GB has no fp8",
    )


def test_a_shape_of_ones_own_is_measured_and_one_that_is_none_is_refused() -> None:
    assert held(on(H100, name="someone/tiny", shape=TINY)).at_once.keys() == {1024, 8192}
    assert refused(H100, name="someone/tiny", shape={"hidden_size": 8}) == (
        (
            "`models[0].shape` is `given`, expected what the model's config.json says: "
            "`num_hidden_layers` is missing, or not a positive number"
        ),
    )


def test_a_shape_may_be_the_models_own_file(tmp_path: Path) -> None:
    file, none = tmp_path / "config.json", Path("/there/is/no/config.json")
    file.write_text(json.dumps(TINY))

    assert held(on(H100, shape=str(file))) == held(on(H100, shape=TINY))
    assert refused(H100, shape=str(none)) == (
        (
            f"`models[0].shape` is `{none}`, expected what the model's config.json says: it cannot "
            "be read, No such file or directory"
        ),
    )


def test_a_model_under_another_name_is_known_by_where_it_comes_from() -> None:
    renamed = on(H100, name="chat", source=f"hf://{QWEN_32B}", tensorParallel=2)

    assert held(renamed) == held(on(H100, name=QWEN_32B, tensorParallel=2))


# What a person sees


def test_figures_are_told_one_by_one_so_that_a_preview_shows_what_moves() -> None:
    known = on(H100, name=QWEN_32B, replicas=7, tensorParallel=2, prefill={})

    assert outputs.capacity(known.capacity) == {
        "kvTokens": 2_317_168,
        "requestsAtOnce": {"1024 tokens": 2262, "8192 tokens": 282, "40960 tokens": 56},
        "accelerators": 16,
    }


def test_what_is_not_known_or_only_bounded_is_told_as_such() -> None:
    bound = on(machines(devices=8, accelerator="mi300x"))

    assert outputs.capacity(bound.capacity)["atMost"] is True
    assert outputs.capacity(on(machines(devices=8)).capacity) == {
        "notKnown": "`cluster.nodes.accelerator` does not say on what"
    }
