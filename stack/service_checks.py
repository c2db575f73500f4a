"""What is wrong with how a model is to be served, each problem told by its path."""

from collections.abc import Iterator

from stack import config, roles, servers, sources
from stack.ground import Ground
from stack.hardware import Feature
from stack.problems import wrong
from stack.roles import Asked

PLAN_LABELS = ("llm-d.ai/", "leaderworkerset.sigs.k8s.io/")
"""Prefixes of labels that pools and controllers find pods by."""


def problems(model: config.Model, ground: Ground, at: str) -> Iterator[str]:
    lacking = [*_lacking(model, ground, at)]
    yield from lacking
    if not lacking:
        for one in roles.asked(model):
            yield from _layout(one, ground, f"{at}{one.at}")
        yield from _handover(model, at)
    yield from _budget(model, at)
    yield from _files(model, ground.nodes, at)
    yield from _adapters(model, at)
    yield from _labels(model, at)
    yield from servers.problems(model, ground, at)


def _lacking(model: config.Model, ground: Ground, at: str) -> Iterator[str]:
    """What the hardware cannot do, and why."""
    lacks, here = ground.target.lacks, f"on hardware `{ground.hardware}`"
    for one in roles.asked(model):
        ways = {
            Feature.TENSOR_PARALLEL: one.parallel.tensor,
            Feature.DATA_PARALLEL: one.parallel.data,
            Feature.NODES: one.parallel.nodes,
        }
        for feature, said in ways.items():
            if said > 1 and (why := lacks.get(feature)):
                yield wrong(f"{at}{one.at}.{feature}", said, f"1 {here}: {why}")
        if one.parallel.nodes > 1 and not ground.release.spans_nodes:
            yield wrong(
                f"{at}{one.at}.{Feature.NODES}",
                one.parallel.nodes,
                "1, or release v0.5 or later: this one's vLLM spans machines only with Ray",
            )
    if model.prefill and (why := lacks.get(Feature.PREFILL)):
        yield wrong(f"{at}.{Feature.PREFILL}", "given", f"none {here}: {why}")
    if sources.of(model).claim or model.claim:
        key = "claim" if model.claim else "source"
        if why := lacks.get(Feature.CLAIM):
            yield wrong(f"{at}.{key}", "given", f"none {here}: {why}")
    for feature, value in (
        (Feature.DTYPE, model.dtype),
        (Feature.KV_CACHE, model.kv_cache),
        (Feature.KV_CACHE_DTYPE, model.kv_cache_dtype),
        (Feature.QUANTIZATION, model.quantization),
    ):
        if value and (why := lacks.get(feature)):
            yield wrong(f"{at}.{feature}", value, f"left out {here}: {why}")


def _layout(one: Asked, ground: Ground, at: str) -> Iterator[str]:
    """A replica's ranks share out evenly over its nodes, and each has a device.

    Where nodes are not shared, they have all of its devices.
    """
    parallel, target, nodes = one.parallel, ground.target, ground.nodes
    key, said = (
        ("dataParallel", parallel.data)
        if parallel.data > 1
        else ("tensorParallel", parallel.tensor)
    )
    if parallel.ranks % parallel.nodes:
        yield wrong(
            f"{at}.nodes",
            parallel.nodes,
            f"a number that divides the replica's {parallel.ranks} ranks, tensorParallel x "
            "dataParallel",
        )
        return
    name, ranks = target.resource or target.claim, ground.on_node * target.ranks_per_device
    if name and parallel.on_node > ranks:
        wider = "" if Feature.NODES in target.lacks else ", or more `nodes` for each replica"
        yield wrong(f"{at}.{key}", said, f"at most {ranks}, the `{name}` of one node{wider}")
    elif target.whole_nodes and parallel.on_node != ranks:
        yield wrong(
            f"{at}.{key}",
            said,
            f"{ranks * parallel.nodes}: a pod on hardware `{ground.hardware}` has all "
            f"{ground.on_node} `{name}` of its node or none",
        )
    if nodes and parallel.nodes > nodes.count:
        yield wrong(f"{at}.nodes", parallel.nodes, f"at most {nodes.count}, the cluster's")


def _handover(model: config.Model, at: str) -> Iterator[str]:
    """A pod takes a KV cache from ranks that each hold whole shares of its own ranks' heads."""
    tensor = model.prefill.tensor_parallel if model.prefill else None
    if tensor and model.tensor_parallel % tensor:
        yield wrong(
            f"{at}.prefill.tensorParallel",
            tensor,
            f"a number that divides the model's own, {model.tensor_parallel}: each of its devices "
            "takes the KV cache of one device",
        )


def _budget(model: config.Model, at: str) -> Iterator[str]:
    said = model.pods.max_unavailable
    for one in roles.asked(model):
        if said and said >= one.replicas:
            yield wrong(
                f"{at}.pods.maxUnavailable",
                said,
                f"less than `{at}{one.at}.replicas`, {one.replicas}: a drain could take all",
            )


def _files(model: config.Model, nodes: config.Nodes | None, at: str) -> Iterator[str]:
    source, claim = sources.of(model), model.claim
    if claim and not source.repository:
        yield wrong(
            f"{at}.claim", "given", f"none: `{model.source}` is a claim that has files already"
        )
    pods = sum(one.replicas * one.parallel.nodes for one in roles.asked(model))
    spread = not nodes or nodes.count > 1
    if claim and claim.access_mode == "ReadWriteOnce" and pods > 1 and spread:
        yield wrong(
            f"{at}.claim.accessMode",
            claim.access_mode,
            f"ReadWriteMany, since {pods} pods read it from whichever node they are on",
        )


def _adapters(model: config.Model, at: str) -> Iterator[str]:
    source = sources.of(model)
    for index, adapter in enumerate(model.adapters):
        where, theirs = f"{at}.adapters[{index}].source", sources.of(adapter)
        if theirs.claim and theirs.repository:
            yield wrong(where, adapter.source, f"hf://{theirs.repository}, or pvc://")
        elif theirs.claim and theirs.claim != source.claim:
            yield wrong(
                where,
                adapter.source,
                "hf://, or a folder of the claim that the model's `source` names",
            )
        elif theirs.repository and source.claim and not source.repository:
            yield wrong(
                where,
                adapter.source,
                f"pvc://{source.claim}/…: a model that is read from there downloads nothing",
            )


def _labels(model: config.Model, at: str) -> Iterator[str]:
    for key, value in model.pods.labels.items():
        if key.startswith(PLAN_LABELS):
            yield wrong(
                f"{at}.pods.labels.{key}",
                value,
                "another key: by this one pools and controllers find pods",
            )
