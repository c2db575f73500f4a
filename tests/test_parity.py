"""What this program makes beside what the guides' official charts make: nothing unexplained."""

import os
from collections.abc import Sequence
from dataclasses import replace

import pytest
from parity.document import FILE, document
from parity.guides import (
    CHARTS,
    NAMES,
    Difference,
    differences,
    explained,
    explanations,
    guides,
    ours,
    rendered,
)
from parity.view import Object, facts
from recording import ROOT, Deploy

from stack.hardware import targets
from stack.releases import releases

pytestmark = pytest.mark.slow

UPDATE = "UPDATE_PARITY"
"""Set it to write the document anew after a change that is meant."""
WITH_RENDERINGS = [name for name, one in guides().items() if one.rendering]

_found: dict[str, Sequence[Difference]] = {}


def found(name: str, deploy: Deploy) -> Sequence[Difference]:
    """Once for all tests: the program is run for it."""
    if name not in _found:
        guide = guides()[name]
        _found[name] = differences(guide, ours(guide, deploy))
    return _found[name]


def test_every_target_of_every_release_that_a_guide_has_is_compared() -> None:
    compared = {(str(one.stack["release"]), one.stack["hardware"]) for one in guides().values()}
    guided = {
        (release, target)
        for release, one in releases().items()
        for target in targets()
        if target in one.servers
    }

    assert compared <= guided
    assert guided - compared == NOT_IN_A_GUIDE


NOT_IN_A_GUIDE = {
    ("v0.4", "cuda"),
    ("v0.4", "cuda-gke"),
    ("v0.4", "simulated"),
    ("v0.5", "cpu-arm64"),
    ("v0.5", "xpu-dra"),
    ("v0.6", "simulated"),
    ("v0.6", "xpu"),
    ("current", "simulated"),
    ("current", "xpu"),
}
"""Pairs that a release here can do and no guide of that release describes."""


def test_every_gateway_of_every_release_that_a_guide_has_is_compared() -> None:
    compared = {
        (str(one.stack["release"]), one.stack["gateway"]["provider"]) for one in guides().values()
    }
    offered = {
        (release, provider)
        for release, one in releases().items()
        for provider in {"gke", "openshift", "standalone", *one.gateways}
    }

    assert compared <= offered
    assert offered - compared == GATEWAY_NOT_IN_A_GUIDE


GATEWAY_NOT_IN_A_GUIDE = {
    ("v0.4", "gke"),
    ("v0.4", "kgateway"),
    ("v0.4", "openshift"),
    ("v0.4", "standalone"),
    ("v0.5", "openshift"),
    ("v0.6", "openshift"),
    ("v0.6", "standalone"),
    ("current", "openshift"),
}
"""Of the guides on OpenShift, one has Istio's charts, and one agentgateway."""


def test_another_value_a_missing_field_and_a_missing_object_are_differences() -> None:
    def role(name: str, **spec: object) -> Object:
        return {"kind": name, "apiVersion": "v1", "metadata": {"name": name}, "spec": spec}

    chart, here = [role("A", x=1, y=2), role("B")], [role("A", x=1, y=3, z=4)]
    guide = replace(guides()["v0.5 cuda istio"], facts=facts(chart, **NAMES))

    found = differences(guide, here)

    assert [(one.at, one.chart, one.ours) for one in found] == [
        ("A A: y", 2, 3),
        ("A A: z", None, 4),
        ("B B", "made", None),
    ]


@pytest.mark.skipif(not CHARTS.is_dir(), reason="no official renderings here: facts.yaml has them")
@pytest.mark.parametrize("name", WITH_RENDERINGS)
def test_the_facts_are_what_the_official_charts_render(name: str) -> None:
    guide = guides()[name]
    made = rendered(guide)

    assert made, f"{CHARTS} has no {guide.rendering}-*.yaml"
    assert guide.facts == facts(made, **guide.names)


@pytest.mark.parametrize("name", guides())
def test_every_difference_from_the_charts_has_one_explanation(name: str, deploy: Deploy) -> None:
    unclear = {
        one.at: (one.chart, one.ours, [why.title for why in explained(one)])
        for one in found(name, deploy)
        if len([*explained(one)]) != 1
    }

    assert unclear == {}


def test_every_explanation_has_a_difference(deploy: Deploy) -> None:
    everything = [one for name in guides() for one in found(name, deploy)]
    used = {pattern for one in everything for why in explained(one) for pattern in why.holds(one)}

    assert [at for why in explanations() for at in why.at if at not in used] == []


def test_the_document_lists_all_of_them(deploy: Deploy) -> None:
    text = document({name: found(name, deploy) for name in guides()})
    file = ROOT / FILE
    if os.environ.get(UPDATE):
        file.write_text(text)

    assert file.read_text() == text, f"{UPDATE}=1 writes {FILE} anew"
