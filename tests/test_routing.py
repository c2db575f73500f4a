"""Which pool answers to which name, and what its endpoint picker makes of it."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from test_bad_input import SHAPE, STACK, front_of, planned, told

from components import outputs
from stack import config, routing
from stack.plan import Model

SMALL, LARGE = "Qwen/Qwen3-0.6B", "Qwen/Qwen3-8B"
TUNED = {"name": "tuned", "source": "hf://someone/tuned"}


def stack(*models: Mapping[str, Any]) -> config.Stack:
    return SHAPE.model_validate(STACK | {"models": [*models]})


def two(**first: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"name": SMALL, **first}, {"name": LARGE, "id": "large"}


def canary(small: int, large: int, name: str = "chat") -> dict[str, Any]:
    targets = [{"model": SMALL, "weight": small}, {"model": LARGE, "weight": large}]
    return {"name": name, "targets": targets}


def rewritten(model: Model) -> dict[str, Mapping[str, int]]:
    return {one.model: one.targets for one in model.pool.rewrites}


def test_every_name_that_servers_answer_to_leads_to_them() -> None:
    asked = stack(*two(adapters=[TUNED]))

    assert routing.shares(asked) == {SMALL: {SMALL: 1}, "tuned": {SMALL: 1}, LARGE: {LARGE: 1}}


def test_models_share_the_requests_for_a_name_and_each_answers_under_its_own() -> None:
    small, large = planned(models=[*two(aliases=[canary(9, 1)])]).models

    assert routing.shares(stack(*two(aliases=[canary(9, 1)])))["chat"] == {SMALL: 9, LARGE: 1}
    assert rewritten(small) == {"chat": {SMALL: 9}}
    assert rewritten(large) == {"chat": {LARGE: 1}}


def test_a_new_version_takes_its_share_of_what_clients_always_asked_for() -> None:
    """By the old one's name, which stays as it is for the rest."""
    first = {"name": SMALL, "aliases": [canary(95, 5, name=SMALL)]}
    second = {"name": LARGE, "id": "next", "image": "ghcr.io/someone/vllm:1.2"}
    old, new = planned(models=[first, second]).models

    assert routing.shares(stack(first, second))[SMALL] == {SMALL: 95, LARGE: 5}
    assert rewritten(old) == {}
    assert rewritten(new) == {SMALL: {LARGE: 5}}


def test_adapters_of_one_model_share_within_its_pool() -> None:
    targets = [{"model": SMALL, "weight": 3}, {"model": "tuned", "weight": 1}]
    asked = two(adapters=[TUNED], aliases=[{"name": "chat", "targets": targets}])

    small, large = planned(models=[*asked]).models

    assert routing.shares(stack(*asked))["chat"] == {SMALL: 4}
    assert rewritten(small) == {"chat": {SMALL: 3, "tuned": 1}}
    assert rewritten(large) == {}


@given(st.lists(st.integers(1, 1_000_000), min_size=3, max_size=3))
def test_no_share_is_lost_between_the_front_and_the_endpoint_pickers(weights: list[int]) -> None:
    names = [SMALL, LARGE, "tuned"]
    targets = [
        {"model": name, "weight": weight} for name, weight in zip(names, weights, strict=True)
    ]
    asked = stack(*two(adapters=[TUNED], aliases=[{"name": "chat", "targets": targets}]))

    shares = routing.shares(asked)["chat"]

    assert sum(shares.values()) == sum(weights)
    for model in asked.models:
        [rewrite] = routing.rewrites(model, asked)
        assert sum(rewrite.targets.values()) == shares[model.name]


def test_the_front_routes_by_the_same_names_and_shares() -> None:
    made = planned(models=[*two(aliases=[canary(9, 1)])])
    envoy = yaml.safe_load(front_of(made).proxy.config["envoy.yaml"])
    [manager] = envoy["static_resources"]["listeners"][0]["filter_chains"][0]["filters"]
    [host] = manager["typed_config"]["route_config"]["virtual_hosts"]
    shares = {
        one["match"]["dynamic_metadata"][0]["value"]["string_match"]["exact"]: {
            share["name"]: share["weight"]
            for share in one["route"]["weighted_clusters"]["clusters"]
        }
        for one in host["routes"]
        if "dynamic_metadata" in one["match"]
    }

    small, large = (f"answers-{model.pool.name}" for model in made.models)
    assert shares == {SMALL: {small: 1}, LARGE: {large: 1}, "chat": {small: 9, large: 1}}


def test_all_models_have_one_address() -> None:
    made = planned(models=[*two()])

    assert outputs.inside(made) == (
        "http://infra-inference-scheduling-inference-gateway.llm-d-inference-scheduler"
        ".svc.cluster.local:8081"
    )


@pytest.mark.parametrize(
    ("alias", "said"),
    [
        (
            {"name": "chat", "targets": [{"model": "Qwen/Qwen3-8b"}]},
            (
                "`models[0].aliases[0].targets[0].model` is `Qwen/Qwen3-8b`, expected one of "
                "Qwen/Qwen3-0.6B, Qwen/Qwen3-8B; did you mean `Qwen/Qwen3-8B`?"
            ),
        ),
        (
            {"name": LARGE},
            (
                "`models[0].aliases[0].name` is `Qwen/Qwen3-8B`, expected a name that models[1] "
                "does not have"
            ),
        ),
        (
            {"name": SMALL},
            (
                "`models[0].aliases[0].name` is `Qwen/Qwen3-0.6B`, expected `targets` beside it: "
                "it is served as it is"
            ),
        ),
        (
            {"name": "chat", "targets": [{"model": LARGE}, {"model": LARGE, "weight": 2}]},
            (
                "`models[0].aliases[0].targets[1].model` is `Qwen/Qwen3-8B`, expected each target "
                "once, by weight"
            ),
        ),
    ],
)
def test_an_alias_that_leads_nowhere_is_refused(alias: dict[str, Any], said: str) -> None:
    assert told(models=[*two(aliases=[alias])]) == (said,)
