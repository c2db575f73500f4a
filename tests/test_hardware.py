"""Hardware targets: what a pod of each gets, and what cannot work on it."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from machines_of import machines
from test_bad_input import MODEL, front_of, planned, told
from test_releases import of

from components import model_pods, model_service
from stack.hardware import Feature, targets
from stack.plan import Model
from stack.releases import releases

TARGETS = targets()
DRA = sorted(name for name, one in TARGETS.items() if one.claim)
WHOLE = sorted(name for name, one in TARGETS.items() if one.whole_nodes)


@dataclass(frozen=True, kw_only=True)
class Guide:
    """What a guide gives the pods of a target."""

    release: str
    image: str
    command: list[str] = field(default_factory=lambda: ["vllm", "serve"])
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict[str, str])
    limits: dict[str, str]
    node_selector: dict[str, str] = field(default_factory=dict[str, str])
    shared_memory: str | None = None


GUIDES = {
    "cpu": Guide(
        release="v0.5",
        image="ghcr.io/llm-d/llm-d-cpu:v0.5.0",
        args=("--disable-hybrid-kv-cache-manager", f"--kv-cache-memory-bytes={32 * 2**30}"),
        env={"VLLM_CPU_NUM_OF_RESERVED_CPU": "1"},
        limits={"cpu": "64", "memory": "64Gi"},
        node_selector={"kubernetes.io/arch": "amd64"},
        shared_memory="4Gi",
    ),
    "cpu-arm64": Guide(
        release="v0.4",
        image="quay.io/petecheslock/llm-d-cpu:v0.4.0-arm64",
        command=["python3", "-m", "vllm.entrypoints.openai.api_server"],
        args=("--dtype=bfloat16", "--disable-frontend-multiprocessing"),
        env={"VLLM_TARGET_DEVICE": "cpu", "VLLM_CPU_OMP_THREADS_BIND": "auto"},
        limits={"cpu": "4", "memory": "8Gi"},
        node_selector={"kubernetes.io/arch": "arm64"},
        shared_memory="1Gi",
    ),
    "cuda": Guide(
        release="v0.5",
        image="ghcr.io/llm-d/llm-d-cuda:v0.5.0",
        args=("--disable-uvicorn-access-log", "--gpu-memory-utilization=0.95"),
        limits={"cpu": "32", "memory": "100Gi", "nvidia.com/gpu": "1"},
        shared_memory="20Gi",
    ),
    "cuda-gke": Guide(
        release="current",
        image="docker.io/vllm/vllm-openai:v0.26.0",
        env={
            "LD_LIBRARY_PATH": "/usr/local/nvidia/lib64:/usr/local/cuda/lib64",
            "NCCL_TUNER_PLUGIN": "none",
            "NCCL_NET_PLUGIN": "",
        },
        limits={"cpu": "32", "memory": "100Gi", "nvidia.com/gpu": "1"},
        shared_memory="20Gi",
    ),
    "rocm": Guide(
        release="v0.6",
        image="ghcr.io/llm-d/llm-d-rocm:v0.6.0",
        args=("--disable-uvicorn-access-log",),
        limits={"cpu": "16", "memory": "100Gi", "amd.com/gpu": "1"},
        shared_memory="20Gi",
    ),
    "xpu": Guide(
        release="v0.5",
        image="ghcr.io/llm-d/llm-d-xpu:v0.5.0",
        args=("--dtype=float16", "--disable-sliding-window"),
        env={"TORCH_LLM_ALLREDUCE": "1", "VLLM_WORKER_MULTIPROC_METHOD": "spawn"},
        limits={"cpu": "8", "memory": "24Gi", "gpu.intel.com/i915": "1"},
        shared_memory="4Gi",
    ),
    "xpu-dra": Guide(
        release="v0.6",
        image="ghcr.io/llm-d/llm-d-xpu:v0.6.0",
        args=("--dtype=float16", "--disable-sliding-window"),
        limits={"cpu": "8", "memory": "24Gi"},
        shared_memory="4Gi",
    ),
    "gaudi": Guide(
        release="v0.5",
        image="docker.io/opea/vllm-gaudi:1.22.0",
        command=[],
        args=("--model", "--block-size=128", "--max-num-seqs=256"),
        env={"VLLM_SKIP_WARMUP": "true", "HABANA_LOGS": "/tmp/habana_logs"},  # noqa: S108 - a pod's
        limits={"memory": "64Gi"},
        shared_memory="8Gi",
    ),
    "tpu-v6e": Guide(
        release="v0.6",
        image="docker.io/vllm/vllm-tpu:v0.11.1",
        args=("--tensor-parallel-size=8",),
        limits={"cpu": "16", "memory": "64Gi", "google.com/tpu": "8"},
        node_selector={
            "cloud.google.com/gke-tpu-accelerator": "tpu-v6e-slice",
            "cloud.google.com/gke-tpu-topology": "2x4",
        },
        shared_memory="16Gi",
    ),
    "tpu7x": Guide(
        release="v0.5",
        image="docker.io/vllm/vllm-tpu:nightly-ironwood-20260113-8424c78-df7e127",
        args=(
            "--tensor-parallel-size=8",
            "--kv-cache-dtype=fp8",
            "--max-num-batched-tokens=1028",
            "--max-num-seqs=128",
            "--async-scheduling",
            "--gpu-memory-utilization=0.93",
        ),
        limits={"cpu": "16", "memory": "64Gi", "google.com/tpu": "4"},
        node_selector={
            "cloud.google.com/gke-tpu-accelerator": "tpu7x",
            "cloud.google.com/gke-tpu-topology": "2x2x1",
        },
        shared_memory="16Gi",
    ),
    "simulated": Guide(
        release="v0.5",
        image="ghcr.io/llm-d/llm-d-inference-sim:v0.6.1",
        command=[],
        args=("--model", "Qwen/Qwen3-0.6B"),
        limits={"memory": "512Mi"},
    ),
}


def pod_of(model: Model) -> dict[str, Any]:
    made: Any = model_service.deployment(model.service, model.service.decode)
    return made["template"]["spec"]


def test_every_target_is_held_against_its_guide() -> None:
    assert GUIDES.keys() == TARGETS.keys()


@pytest.mark.parametrize("name", TARGETS)
def test_a_pod_gets_what_its_guide_gives_it(name: str) -> None:
    guide = GUIDES[name]
    pod = pod_of(of(guide.release, name))
    [server] = pod["containers"]
    env = {one["name"]: one.get("value") for one in server["env"]}
    memory = [one["empty_dir"] for one in pod["volumes"] if one["name"] == "shared-memory"]

    assert server["image"] == guide.image
    assert server.get("command", []) == guide.command
    assert {*guide.args} <= {*server["args"]}
    assert guide.env.items() <= env.items()
    assert server["resources"]["limits"] == guide.limits
    assert pod["node_selector"] == guide.node_selector
    assert [one["size_limit"] for one in memory] == [guide.shared_memory] * len(memory)
    assert bool(memory) is bool(guide.shared_memory)


@pytest.mark.parametrize("name", TARGETS)
def test_an_argument_that_a_release_brings_is_given_once(name: str) -> None:
    for release, one in releases().items():
        if name in one.servers:
            args = [arg for arg in of(release, name).service.decode.args if arg.startswith("--")]
            flags = [arg.partition("=")[0] for arg in args]
            assert len(flags) == len({*flags}), (release, flags)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_tolerates_the_taint_of_the_machines_it_asks_for(name: str) -> None:
    target = TARGETS[name]
    pod = pod_of(of(GUIDES[name].release, name))

    assert [one["key"] for one in pod["tolerations"]] == [*target.tolerates]
    if target.resource in {"nvidia.com/gpu", "amd.com/gpu", "google.com/tpu"}:
        assert target.resource in target.tolerates


@pytest.mark.parametrize("name", DRA)
def test_devices_that_no_plugin_counts_are_claimed_for_each_pod(name: str) -> None:
    service = of(GUIDES[name].release, name, replicas=2).service
    claim = service.decode.device_claim
    assert claim
    pod = pod_of(of(GUIDES[name].release, name))
    [server] = pod["containers"]
    template: Any = model_service.claim_template(claim)
    [request] = template["spec"]["devices"]["requests"]

    assert request["exactly"]["device_class_name"] == TARGETS[name].claim
    assert request["exactly"]["count"] == 1
    assert pod["resource_claims"] == [
        {"name": "devices", "resource_claim_template_name": claim.template}
    ]
    assert server["resources"]["claims"] == [{"name": "devices"}]


@pytest.mark.parametrize("name", DRA)
def test_claims_need_the_kubernetes_that_has_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    monkeypatch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")
    asked: dict[str, Any] = {"release": GUIDES[name].release, "hardware": name}
    cluster = {"kind": "existing", "context": "c"}

    assert planned(**asked, cluster=cluster | {"version": "1.34"})
    assert told(**asked, cluster=cluster | {"version": "1.33"}) == (
        (
            f"`cluster.version` is `1.33`, expected 1.34 or newer on hardware `{name}`: its "
            "devices are claimed by resource.k8s.io/v1"
        ),
    )
    assert planned(hardware="cuda", cluster=cluster | {"version": "1.29"})


def test_claims_are_counted_against_the_nodes() -> None:
    few = machines(1, devices=2)

    [problem] = told(hardware="gaudi", cluster=few, models=[MODEL | {"replicas": 3}])

    assert problem.startswith("`models[0].replicas` is `3`, expected fewer, smaller `resources`")
    assert "gaudi.intel.com 1" in problem


@pytest.mark.parametrize("name", WHOLE)
def test_a_machine_of_tpus_is_all_of_one_pod(name: str) -> None:
    target = TARGETS[name]
    asked: dict[str, Any] = {"release": GUIDES[name].release, "hardware": name}
    ranks = target.node_devices * target.ranks_per_device

    assert told(**asked, models=[MODEL | {"tensorParallel": 4}]) == (
        (
            f"`models[0].tensorParallel` is `4`, expected {ranks}: a pod on hardware `{name}` has "
            f"all {target.node_devices} `google.com/tpu` of its node or none"
        ),
    )


def test_a_chip_of_two_cores_is_asked_for_once() -> None:
    asked = MODEL | {"tensorParallel": 16}

    assert told(hardware="tpu7x", models=[asked]) == (
        "`models[0].tensorParallel` is `16`, expected at most 8, the `google.com/tpu` of one node",
    )


LACKED: dict[Feature, dict[str, Any]] = {
    Feature.TENSOR_PARALLEL: {"tensorParallel": 2},
    Feature.DATA_PARALLEL: {"dataParallel": 2},
    Feature.NODES: {"nodes": 2},
    Feature.PREFILL: {"prefill": {}},
    Feature.CLAIM: {"source": "pvc://claim/model"},
    Feature.KV_EVENTS: {"scheduler": {"preset": "precise-prefix-cache"}},
    Feature.DTYPE: {"dtype": "float32"},
    Feature.KV_CACHE: {"kvCache": "1Gi"},
    Feature.KV_CACHE_DTYPE: {"kvCacheDtype": "fp8"},
    Feature.QUANTIZATION: {"quantization": "fp8"},
}
"""What asks for each feature."""


@pytest.mark.parametrize(
    ("name", "feature"),
    [(name, feature) for name, one in TARGETS.items() for feature in one.lacks],
)
def test_what_a_target_lacks_is_refused_with_the_reason(name: str, feature: Feature) -> None:
    asked = MODEL | LACKED[feature]
    problems = told(release=GUIDES[name].release, hardware=name, models=[asked])

    [problem] = [one for one in problems if TARGETS[name].lacks[feature] in one]
    assert problem.startswith(f"`models[0].{feature}")
    assert "hardware" in problem


def test_groups_that_own_device_files_are_the_pods() -> None:
    """A container has no field for them: the API server refuses the whole object."""
    pod = pod_of(of("v0.5", "xpu"))

    assert pod["security_context"]["supplemental_groups"] == [107]
    assert not {"fs_group", "supplemental_groups"} & pod["containers"][0]["security_context"].keys()


@pytest.mark.parametrize("name", TARGETS)
def test_a_pod_is_as_restricted_as_its_server_allows(name: str) -> None:
    target = TARGETS[name]
    pod = pod_of(of(GUIDES[name].release, name))
    [server] = pod["containers"]

    assert pod["security_context"]["run_as_non_root"] is True
    added = server["security_context"]["capabilities"].get("add", [])
    assert added == [*target.capabilities]
    assert (target.pod_security == "restricted") == (
        not added and target.seccomp == "RuntimeDefault"
    )


def test_users_are_left_to_a_cluster_that_assigns_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    monkeypatch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")
    openshift = {"kind": "existing", "context": "c", "platform": "openshift"}

    made = planned(hardware="cuda", cluster=openshift)
    [model] = made.models

    assert {model.service.user, model.pool.user, front_of(made).user} == {None}
    assert pod_of(model)["security_context"] == {
        "run_as_non_root": True,
        "seccomp_profile": {"type": "RuntimeDefault"},
    }


@pytest.mark.parametrize("name", TARGETS)
def test_a_server_is_ready_as_soon_as_it_is_and_is_not_killed_while_it_loads(name: str) -> None:
    service = of(GUIDES[name].release, name).service
    probe: Any = model_pods.startup_probe(service)

    assert probe["failure_threshold"] * probe["period_seconds"] >= service.startup_seconds - 5
    assert probe["period_seconds"] <= 5
    assert "initial_delay_seconds" not in probe
