"""What a rehearsal deploys differs from the stack file in where it is deployed, and in secrets."""

from pathlib import Path
from typing import Any

import pytest
from recording import STACKS, stack_config

from embedded.cluster import CONTEXT
from rehearsal import script
from rehearsal.script import STAND_IN, Script
from stack.problems import StackError

KUBECONFIG = Path("/rehearsal/kubeconfig")
SMALL: dict[str, Any] = {
    "llm-d:cluster": {"kind": "existing", "context": "somewhere"},
    "llm-d:hardware": "cuda",
    "llm-d:models": [{"name": "Qwen/Qwen3-0.6B", "replicas": 2}],
}


def read(**changes: Any) -> Script:
    said = {**SMALL, **{f"llm-d:{key}": one for key, one in changes.items()}}
    return script.read("tried", said, KUBECONFIG)


def refused(**changes: Any) -> str:
    with pytest.raises(StackError) as caught:
        read(**changes)
    return str(caught.value)


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_file_is_rehearsed_as_it_is_but_for_its_cluster(stack: str) -> None:
    said = stack_config(stack)

    found = script.read(stack, said, KUBECONFIG).config

    own = {"llm-d:cluster", "llm-d:gateway", "llm-d:hfToken"}
    assert {key: one for key, one in found.items() if key not in own} == {
        key: one for key, one in said.items() if key not in own
    }
    assert found["llm-d:cluster"]["context"] == CONTEXT
    assert found["llm-d:cluster"]["kubeconfig"] == str(KUBECONFIG)


def test_a_prometheus_that_the_stack_installs_is_taken_for_one_that_is_there() -> None:
    """Its chart makes pods by an operator, which has no program on this machine."""
    found = read(monitoring={"prometheus": "install", "retention": "7d"})

    said = found.config["llm-d:monitoring"]
    assert (said["prometheus"], said["retention"]) == ("operator", "7d")
    assert found.left_out
    assert not read(monitoring={"prometheus": "operator"}).left_out


def test_nodes_are_those_that_the_stack_file_declares() -> None:
    nodes = {"count": 3, "cpu": "64", "memory": "512Gi", "devices": 4}

    found = read(cluster={"kind": "existing", "context": "somewhere", "nodes": nodes})

    assert found.declared
    assert found.config["llm-d:cluster"]["nodes"] == nodes
    assert [one.name for one in found.nodes] == ["node-0", "node-1", "node-2"]
    assert found.nodes[0].allocatable["nvidia.com/gpu"] == "4"
    assert found.nodes[0].allocatable["cpu"] == "64"


def test_what_else_it_says_of_its_cluster_stays() -> None:
    said = {"kind": "existing", "context": "somewhere", "platform": "openshift", "version": "1.33"}

    found = read(cluster=said).config["llm-d:cluster"]

    assert found == said | {"context": CONTEXT, "kubeconfig": str(KUBECONFIG)}


@pytest.mark.parametrize(("replicas", "machines"), [(2, 2), (17, 4), (50, 8)])
def test_where_it_declares_none_there_are_as_many_as_the_stack_needs(
    replicas: int, machines: int
) -> None:
    found = read(models=[{"name": "Qwen/Qwen3-0.6B", "replicas": replicas}])

    assert not found.declared
    assert "nodes" not in found.config["llm-d:cluster"], "the plan checks what it always checks"
    assert len(found.nodes) == machines
    assert found.nodes[0].allocatable["nvidia.com/gpu"] == "8"


def test_a_pod_that_no_machine_holds_is_left_to_the_scheduler() -> None:
    large = {"requests": {"cpu": "300"}, "limits": {"cpu": "300"}}

    assert len(read(models=[{"name": "Qwen/Qwen3-0.6B", "resources": large}]).nodes) == 2


def test_an_embedded_stack_is_rehearsed_on_the_nodes_that_it_gets() -> None:
    found = read(cluster={"kind": "embedded"})

    assert not found.declared
    assert found.config["llm-d:cluster"]["nodes"]["count"] == len(found.nodes) == 2


def test_devices_that_pods_claim_are_published_as_such() -> None:
    [node, _] = read(hardware="gaudi").nodes

    assert node.claimable == {"gaudi.intel.com": 8}
    assert "gaudi.intel.com" not in node.allocatable


def test_secrets_are_replaced_wherever_they_stand() -> None:
    found = read(hfToken={"secure": "v1:abc"}, names={"postfix": "a", "namespace": "b"})

    assert found.config["llm-d:hfToken"] == STAND_IN
    assert found.stand_ins == ("hfToken",)
    nested = {"other:key": [{"secure": "v1:abc"}, {"deep": {"secure": "v1:abc"}}, 1]}
    assert script.read("tried", {**SMALL, **nested}, KUBECONFIG).config["other:key"] == [
        STAND_IN,
        {"deep": STAND_IN},
        1,
    ]


def test_a_gated_model_gets_a_token_and_others_get_none() -> None:
    assert read().stand_ins == ()
    gated = [{"name": "meta-llama/Llama-3.1-8B-Instruct"}]
    assert read(models=gated).config["llm-d:hfToken"] == STAND_IN


def test_the_gateway_s_service_is_what_the_kind_of_cluster_gives_it() -> None:
    assert read().config["llm-d:gateway"] == {}
    assert read(cluster={"kind": "embedded"}).config["llm-d:gateway"] == {"service": "LoadBalancer"}
    said = {"service": "NodePort"}
    assert read(cluster={"kind": "embedded"}, gateway=said).config["llm-d:gateway"] == said


def test_a_block_that_was_set_by_command_is_read() -> None:
    assert read(models='[{"name": "gpt2"}]').plan.models[0].name == "gpt2"


def test_what_is_wrong_with_the_stack_is_told_as_by_the_program() -> None:
    assert refused(cluster={"kind": "exiting"}).startswith("`cluster.kind` is `exiting`")
    assert refused(hardware="cudda").endswith("did you mean `cuda`?")
    assert refused(models=[{"name": "gpt2"}, {"name": "gpt2"}]).startswith("`models[1].name`")
