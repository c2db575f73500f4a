"""What is made of processor seconds by number of models; of a hundred, the plan alone."""

import json

import pytest
from test_bad_input import SHAPE

from bench import growth
from bench.growth import Growth, table
from components import clusters, gateways
from stack.planner import plan


def test_a_model_costs_what_it_adds_to_those_before_it() -> None:
    assert Growth("plan", {1: 1.0, 10: 5.5, 100: 59.5}).each == {10: 0.5, 100: 0.6}


def test_the_table_has_a_line_for_each_number_of_models() -> None:
    header, first, second = table([Growth("preview", {1: 4, 10: 7})]).splitlines()

    assert header.split() == ["processor", "s", "a", "model", "more"]
    assert first.split() == ["preview:", "1", "models", "4.00"]
    assert second.split() == ["preview:", "10", "models", "7.00", "0.3333"]


@pytest.mark.parametrize("count", growth.COUNTS)
def test_what_is_measured_is_a_stack_that_can_be_deployed(count: int) -> None:
    said = json.loads(json.dumps(growth.said(count)))

    planned = plan(
        SHAPE.model_validate(said),
        name="test",
        secrets=frozenset(),
        clusters=clusters.kinds(),
        gateways=gateways.kinds(),
    )

    assert len(planned.models) == count
