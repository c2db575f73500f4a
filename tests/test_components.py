"""What the components say of any model that a stack may ask for."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_bad_input import front_of, planned

from components import front, inference_pool, model_service, pods
from stack import quantity
from stack.hardware import targets
from stack.plan import Model
from stack.problems import StackError
from stack.releases import releases

SIZES = st.none() | st.integers(1, 64).map(lambda gib: f"{gib}Gi")
MODELS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["Qwen/Qwen3-0.6B", "gpt2", "a/b_c.d-E"]),
        "replicas": st.integers(1, 20),
        "tensorParallel": st.sampled_from([1, 2, 4, 8]),
        "maxModelLen": st.none() | st.integers(1, 1_000_000),
        "kvCache": SIZES,
        "storage": st.just("20Gi"),
        "resources": st.fixed_dictionaries(
            {
                "requests": st.fixed_dictionaries({"memory": SIZES}),
                "limits": st.fixed_dictionaries({"memory": SIZES}),
            }
        ),
    }
)


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for inner in value.values():  # pyright: ignore[reportUnknownVariableType]
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:  # pyright: ignore[reportUnknownVariableType]
            yield from leaves(inner)
    else:
        yield value


def release_for(hardware: str) -> str:
    """The default one, or else another that has an image for it."""
    have = [name for name, one in releases().items() if hardware in one.servers]
    return "v0.5" if "v0.5" in have else have[0]


def model(hardware: str, said: dict[str, Any]) -> Model | None:
    try:
        return planned(release=release_for(hardware), hardware=hardware, models=[said]).models[0]
    except StackError:
        return None


@pytest.mark.parametrize("hardware", targets())
@settings(max_examples=25)
@given(said=MODELS)
def test_a_deployment_says_nothing_that_is_empty_or_at_odds(
    hardware: str, said: dict[str, Any]
) -> None:
    if not (asked := model(hardware, said)):
        return
    spec: Any = model_service.deployment(asked.service, asked.service.decode)
    pod = spec["template"]["spec"]
    [server] = pod["containers"]

    assert None not in [*leaves(spec)]
    assert (
        spec["selector"]["match_labels"].items() <= spec["template"]["metadata"]["labels"].items()
    )
    assert {one["name"] for one in server["volume_mounts"]} == {
        one["name"] for one in pod["volumes"]
    }
    for kind, amount in server["resources"]["requests"].items():
        limit = server["resources"]["limits"].get(kind)
        assert limit is None or quantity.parse(amount) <= quantity.parse(limit)
    assert spec["progress_deadline_seconds"] > (
        server["startup_probe"]["failure_threshold"] * server["startup_probe"]["period_seconds"] - 1
    ), "a rollout is not given up while a model may still be loading"


@pytest.mark.parametrize("hardware", targets())
@settings(max_examples=25)
@given(said=MODELS)
def test_a_replica_gets_the_devices_that_its_ranks_run_on(
    hardware: str, said: dict[str, Any]
) -> None:
    if not (asked := model(hardware, said)):
        return
    role, target = asked.service.decode, targets()[hardware]
    limits, claim = role.limits, role.device_claim
    resource, devices = target.resource, said["tensorParallel"] // target.ranks_per_device

    assert (resource is None) or limits[resource] == str(devices)
    assert (target.claim is None) == (claim is None)
    assert claim is None or (claim.device_class, claim.count) == (target.claim, devices)
    foreign = {one.resource for one in targets().values() if one.resource} - {resource}
    assert not foreign & limits.keys()


def test_the_server_is_asked_for_what_the_stack_says() -> None:
    said = {
        "name": "Qwen/Qwen3-32B",
        "tensorParallel": 2,
        "maxModelLen": 8192,
        "kvCache": "2Gi",
        "replicas": 1,
    }
    asked = model("cuda", said)

    assert asked
    assert asked.service.command == ("vllm", "serve")
    assert asked.service.decode.args == (
        "Qwen/Qwen3-32B",
        "--port=8000",
        "--served-model-name=Qwen/Qwen3-32B",
        "--tensor-parallel-size=2",
        "--max-model-len=8192",
        f"--kv-cache-memory-bytes={2 * 2**30}",
        "--disable-uvicorn-access-log",
        "--gpu-memory-utilization=0.95",
    )


def test_a_second_model_gets_a_pool_and_an_endpoint_picker_of_its_own() -> None:
    first, second = planned(
        models=[{"name": "Qwen/Qwen3-0.6B"}, {"name": "Qwen/Qwen3-8B", "id": "large"}]
    ).models

    assert (first.named("pool"), second.named("pool")) == ("pool", "pool-large")
    assert second.pool.picker == "gaie-inference-scheduling-large-epp"
    assert (
        second.service.decode.workload == "ms-inference-scheduling-large-llm-d-modelservice-decode"
    )
    assert first.pool.selects != second.pool.selects


def test_a_changed_configuration_means_new_pods() -> None:
    """Neither the endpoint picker nor Envoy reads its files again."""
    plan = planned()
    [asked] = plan.models
    for spec, files in (
        (inference_pool.picker(asked.pool), inference_pool.config(asked.pool)),
        (front.proxies(front_of(plan)), front_of(plan).proxy.config),
    ):
        template: Any = spec["template"]
        digest = template["metadata"]["annotations"]["llm-d.ai/config-sha256"]

        assert digest == pods.digest(files)
        assert digest != pods.digest({**files, "other.yaml": "other"})


@given(st.integers(0, 10**6), st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "Ti"]))
def test_quantities_are_read_as_kubernetes_reads_them(number: int, unit: str) -> None:
    factor = {"": 1, "k": 1000, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}.get(unit)

    assert quantity.parse(f"{number}{unit}") >= 0
    if factor:
        assert quantity.parse(f"{number}{unit}") == number * factor
    if unit == "m":
        assert quantity.parse(f"{number}m") == Decimal(number) / 1000


@pytest.mark.parametrize("wrong", ["", "Gi", "1.5.5", "-1", "1 Gi", "1gi", "1e3"])
def test_what_is_no_quantity_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="is not a Kubernetes quantity"):
        quantity.parse(wrong)
