"""What is told of machines of every kind, for stacks of every kind."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflight.facts import Engine, Facts, Silent, Virtual
from preflight.needs import GIB
from preflight.rows import State, rows
from stack import quantity
from tests.preflight.found_machines import (
    APPLE,
    ASLEEP,
    DESKTOP,
    DOCKER,
    INTEL_MAC,
    KIND,
    LINUX,
    LINUX_ARM,
    MINIKUBE,
    MODEL,
    PODMAN,
    TOOLS,
    found,
    missing,
    on_podman,
    wanted,
    warned,
)

ARM = wanted(hardware="cpu-arm64")
X86 = wanted()
GONE = wanted(cluster={"kind": "existing", "context": "elsewhere"})


@pytest.mark.parametrize(
    ("stack", "facts"),
    [
        (X86, LINUX),
        (X86, replace(LINUX, engines={"podman": PODMAN, "docker": DOCKER})),
        (ARM, LINUX_ARM),
        (ARM, APPLE),
        (ARM, on_podman(APPLE)),
        (ARM, on_podman(APPLE, None)),
        (wanted(KIND, hardware="cpu-arm64"), APPLE),
    ],
)
def test_a_machine_like_the_guides_lacks_nothing(stack: Any, facts: Facts) -> None:
    assert missing(stack, facts) == {}
    assert warned(stack, facts) == {}


def test_an_intel_mac_computes_in_float32() -> None:
    assert missing(X86, INTEL_MAC) == {}
    assert warned(X86, INTEL_MAC) == {"CPU: bfloat16": "say `models[0].dtype: float32`"}


def test_a_podman_machine_that_is_small_and_rootless_is_told_part_by_part() -> None:
    small = Virtual(cpus=4, memory=2048, disk=50, rootful=False, state="running")

    told = missing(ARM, on_podman(APPLE, small))

    stop = "podman machine stop podman-machine-default; podman machine set"
    larger = f"{stop} --cpus=10 --memory=28672 podman-machine-default"
    assert told == {
        "podman machine: root": f"{stop} --rootful podman-machine-default",
        "podman machine: CPUs": larger,
        "podman machine: memory": larger,
        "podman machine: disk": "podman machine rm podman-machine-default, and all that is in it, "
        "or another `cluster.machine.name`: no disk can be changed",
    }


def test_a_podman_machine_that_the_stack_made_is_its_own_to_change() -> None:
    small = Virtual(cpus=4, memory=2048, disk=50, rootful=False, state="stopped")

    assert missing(ARM, replace(on_podman(APPLE, small), is_there=True)) == {}


def test_podman_on_linux_needs_no_machine() -> None:
    listed = found(X86, replace(LINUX, engines={"podman": PODMAN}))

    assert not any(name.startswith("podman machine") for name in listed)


def test_a_mac_has_to_hold_the_podman_machine_that_is_to_be_made() -> None:
    told = missing(ARM, on_podman(replace(APPLE, cpus=8, memory=16 * GIB), None))

    assert told.keys() == {"CPUs", "memory"}
    assert found(ARM, on_podman(APPLE, None))["memory"].needed.startswith("28Gi; the stack takes ")


def test_docker_s_virtual_machine_is_what_counts_where_there_is_one() -> None:
    small = replace(DESKTOP, cpus=4, memory=8 * GIB)

    told = missing(ARM, replace(APPLE, engines={"docker": small}))

    more = "give it more: Docker Desktop, Settings, Resources"
    assert told == {"CPUs": more, "memory": more}


def test_images_for_another_cpu_are_refused_with_the_hardware_that_would_do() -> None:
    assert missing(X86, LINUX_ARM)["platform"] == "say `hardware` as one of cpu-arm64, simulated"
    assert missing(ARM, LINUX)["platform"] == "say `hardware` as one of cpu, simulated"
    assert "platform" not in missing(wanted(hardware="simulated"), LINUX_ARM)


def test_a_cpu_that_the_published_image_would_crash_on_is_refused() -> None:
    old = replace(LINUX, instructions=frozenset({"avx2"}))
    built = [{**MODEL, "image": "localhost/llm-d-cpu:avx2"}]

    assert "`models[].image`" in missing(X86, old)["CPU"]
    assert missing(wanted(models=built), old) == {}


def test_a_cpu_without_bfloat16_takes_float32() -> None:
    plain = replace(LINUX, instructions=frozenset({"avx512f"}))

    assert warned(X86, plain) == {"CPU: bfloat16": "say `models[0].dtype: float32`"}
    assert warned(wanted(models=[{**MODEL, "dtype": "float32"}]), plain) == {}


def test_a_cpu_that_nothing_is_known_of_is_left_to_its_owner() -> None:
    unknown = replace(LINUX, instructions=None)

    assert missing(X86, unknown) == {}
    assert warned(X86, unknown).keys() == {"CPU"}


def test_on_a_bare_machine_every_tool_is_missing_with_a_way_out() -> None:
    bare = replace(LINUX, programs=frozenset(), engines={})

    told = missing(X86, bare)

    assert told == {
        "minikube": "see https://minikube.sigs.k8s.io/docs/start",
        "kubectl": "make tools, and make shell where it is to be on PATH",
        "container engine": "sudo apt-get install podman",
    }
    assert missing(ARM, replace(APPLE, programs=frozenset(), engines={})) == {
        "minikube": "brew install minikube",
        "kubectl": told["kubectl"],
        "container engine": "brew install podman",
    }


@pytest.mark.parametrize(
    ("engine", "lacking"),
    [(None, {"git"}), ("podman", {"git"}), ("buildx", {"git", "image builds"})],
)
def test_images_that_are_built_take_git_and_an_engine(
    engine: str | None, lacking: set[str]
) -> None:
    images = {
        "build": ["vllm-cpu"],
        "registry": {"repository": "registry.example/me"},
        **({"engine": engine} if engine else {}),
    }
    stack = wanted({"kind": "existing", "context": "c"}, hardware="cpu-arm64", images=images)

    with_podman = replace(LINUX, programs=frozenset({"kubectl", "podman"}))
    assert missing(stack, with_podman).keys() == lacking


@pytest.mark.parametrize(
    ("why", "way_out"),
    [
        ("Cannot connect to the Docker daemon", "sudo systemctl start docker"),
        ("permission denied", "sudo usermod -aG docker $USER, and sign in again"),
    ],
)
def test_an_engine_that_does_not_answer_is_told_with_its_words(why: str, way_out: str) -> None:
    row = found(X86, replace(LINUX, engines={"docker": Silent(why=why)}))["container engine"]

    assert row.state is State.MISSING
    assert why in row.found
    assert row.mend == way_out


def test_podman_that_waits_for_its_machine_is_none_that_does_not_answer() -> None:
    assert found(ARM, on_podman(APPLE, None))["container engine"].state is State.OK
    silent = replace(LINUX, engines={"podman": ASLEEP})
    assert missing(X86, silent)["container engine"] == "`podman info` says why"


def test_the_engine_that_is_looked_at_is_the_one_that_will_be_used() -> None:
    both = {"podman": PODMAN, "docker": Silent(why="no daemon")}

    assert missing(X86, replace(LINUX, engines=both)) == {}
    by_docker = wanted({**MINIKUBE, "driver": "docker"})
    assert missing(by_docker, replace(LINUX, engines=both)).keys() == {
        "container engine",
    }


def test_an_old_engine_is_warned_of() -> None:
    old = replace(PODMAN, version="4.3.1")

    assert warned(X86, replace(LINUX, engines={"podman": old})).keys() == {"container engine"}


def test_memory_is_added_up_part_by_part() -> None:
    row = found(X86, LINUX)["memory"]

    assert row.detail == (
        "2 x 10Gi for decode of HuggingFaceTB/SmolLM2-360M-Instruct",
        "512Mi for endpoint picker of HuggingFaceTB/SmolLM2-360M-Instruct",
        "2 x 128Mi for the gateway",
        "1.758Gi for Kubernetes",
        "1.492Gi left, which image builds take too",
    )
    assert row.needed == "24Gi; the stack takes 22.51Gi:"


def test_what_else_takes_memory_is_a_warning_and_too_little_of_it_is_not() -> None:
    assert warned(X86, replace(LINUX, available=10 * GIB)).keys() == {"memory"}
    assert missing(X86, replace(LINUX, memory=16 * GIB)).keys() == {"memory"}


def test_a_node_that_all_limits_together_overfill_is_warned_of() -> None:
    limits = {"requests": {"memory": "2Gi"}, "limits": {"memory": "16Gi"}}

    told = warned(wanted(models=[{**MODEL, "resources": limits}]), LINUX)

    assert told["memory"].startswith("give the cluster more (`cluster.memory`, 34.5")


def test_a_disk_that_the_models_alone_fill_is_missing_and_a_tight_one_is_not() -> None:
    assert missing(X86, replace(LINUX, disk=GIB)).keys() == {"disk"}
    assert warned(X86, replace(LINUX, disk=10 * GIB)).keys() == {"disk"}


def test_a_cluster_that_is_there_has_what_it_takes_of_the_machine() -> None:
    busy = replace(
        LINUX, cpus=1, memory=GIB, disk=GIB, busy=frozenset({8080}), programs=frozenset()
    )
    ports = wanted({**KIND, "ports": [{"node": 30080, "host": 8080}]}, hardware="simulated")

    assert missing(ports, busy).keys() >= {"CPUs", "memory", "port 8080"}
    assert missing(ports, replace(busy, is_there=True)) == {}


def test_accelerators_are_for_clusters_that_get_them() -> None:
    gpu: dict[str, Any] = {"hardware": "cuda", "models": [{"name": "Qwen/Qwen3-0.6B"}]}
    ready = replace(
        LINUX, cpus=64, engines={"docker": replace(DOCKER, runtimes=frozenset({"nvidia"}))}
    )
    nodes = {"cpu": "64", "memory": "128Gi", "devices": 1}
    given = wanted({**MINIKUBE, "nodes": nodes, "gpus": "all"}, **gpu)

    assert "devices" in missing(wanted({**MINIKUBE, "nodes": nodes}, **gpu), LINUX)
    assert missing(given, ready) == {}
    assert "nvidia-ctk" in missing(given, LINUX)["container runtime nvidia"]
    assert missing(wanted({**MINIKUBE, "nodes": nodes, "gpus": "amd"}, **gpu), LINUX) == {}


PREFILL: dict[str, Any] = {
    "hardware": "cuda",
    "models": [{"name": "Qwen/Qwen3-0.6B", "prefill": {"replicas": 1}}],
}
CLAIMS: dict[str, Any] = {"hardware": "xpu-dra", "models": [{"name": "Qwen/Qwen3-0.6B"}]}


@pytest.mark.parametrize(
    ("stack", "old", "new"), [(PREFILL, "v1.28.9", "v1.29.0"), (CLAIMS, "v1.33.4", "v1.34.1-gke.1")]
)
def test_kubernetes_has_to_have_what_pods_use(stack: Any, old: str, new: str) -> None:
    elsewhere = wanted({"kind": "existing", "context": "elsewhere"}, **stack)

    assert missing(elsewhere, replace(LINUX, version=old)).keys() == {"Kubernetes"}
    assert missing(elsewhere, replace(LINUX, version=new)) == {}


def test_a_cluster_elsewhere_is_asked_for_its_version_alone() -> None:
    assert found(GONE, LINUX_ARM).keys() == {"platform", "token"}


def test_a_gated_model_needs_a_token_whose_value_nobody_reads() -> None:
    gated = wanted(gated=("meta-llama/Llama-3.2-3B-Instruct",))

    assert missing(gated, LINUX) == {
        "token": "pulumi config set --secret llm-d:hfToken --stack test"
    }
    assert missing(gated, replace(LINUX, token="Secret mine")) == {}  # noqa: S106 - where it is


def test_what_the_kind_of_cluster_finds_wrong_is_a_row() -> None:
    facts = replace(LINUX, wrong=("`cluster.context` is `x`, expected one that there is",))

    assert missing(GONE, facts) == {"cluster": facts.wrong[0]}


BYTES = st.none() | st.integers(0, 2**40)
ENGINES = st.builds(
    Engine,
    version=st.sampled_from(["", "1.0", "28.5.1", "5.0.0-rc1", "dev"]),
    cpus=st.integers(0, 256),
    memory=st.integers(0, 2**40),
    is_virtual=st.booleans(),
    runtimes=st.sampled_from([frozenset[str](), frozenset({"nvidia"})]),
) | st.builds(Silent, why=st.text())
MACHINES = st.builds(
    Facts,
    system=st.sampled_from(["Linux", "Darwin", "FreeBSD"]),
    arch=st.sampled_from(["amd64", "arm64", "riscv64"]),
    cpus=st.integers(0, 256),
    memory=BYTES,
    available=BYTES,
    disk=BYTES,
    instructions=st.none() | st.frozensets(st.sampled_from(["avx512f", "amx_bf16"])),
    programs=st.frozensets(st.sampled_from(sorted(TOOLS))),
    engines=st.dictionaries(st.sampled_from(["docker", "podman"]), ENGINES),
    podman_machine=st.none()
    | st.builds(
        Virtual,
        cpus=st.integers(0, 64),
        memory=st.integers(0, 2**20),
        disk=st.integers(0, 1000),
        rootful=st.booleans(),
        state=st.just("running"),
    ),
    is_there=st.booleans(),
)


def _times(part: str) -> tuple[str, str, str]:
    return part.rpartition(" x ")


@settings(max_examples=40)
@given(facts=MACHINES, stack=st.sampled_from([X86, ARM, GONE, wanted(KIND, "simulated")]))
def test_whatever_is_found_each_row_says_what_and_all_parts_add_up(
    facts: Facts, stack: Any
) -> None:
    listed = [*rows(stack, facts)]

    assert all(row.what and row.found and row.needed for row in listed)
    for row in listed:
        parts = [line.partition(" for ")[0] for line in row.detail if " left, " not in line]
        shown = [(int(times or 1), said) for times, _, said in map(_times, parts)]
        total = sum(times * quantity.parse(said) for times, said in shown)
        assert not row.detail or abs(total - stack.memory) < quantity.parse("10Mi")


@settings(max_examples=40)
@given(facts=MACHINES, more=st.integers(0, 2**40))
def test_more_of_a_machine_never_lacks_more(facts: Facts, more: int) -> None:
    larger = replace(
        facts,
        cpus=facts.cpus + more % 64,
        memory=None if facts.memory is None else facts.memory + more,
        disk=None if facts.disk is None else facts.disk + more,
    )

    assert missing(X86, larger).keys() <= missing(X86, facts).keys()
