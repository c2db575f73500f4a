"""How a model's pods are chosen: presets, plugins of one's own, and what is refused."""

from typing import Any

import pytest
import yaml
from presets import fitting
from test_bad_input import MODEL, planned, told

from stack.releases import releases
from stack.schedulers import schedulers

HANDLERS = {"pd-profile-handler", "prefill-header-handler"}
"""Plugins of no profile: they choose profiles, or act when all have run."""


def written(**scheduler: Any) -> dict[str, Any]:
    """The EndpointPickerConfig of a stack whose model asks for that scheduler."""
    [model] = planned(models=[MODEL | {"scheduler": scheduler}]).models
    return yaml.safe_load(model.pool.picker_config)


def preset_config(preset: str) -> dict[str, Any]:
    [model] = planned(**fitting(preset)).models
    return yaml.safe_load(model.pool.picker_config)


def wrong(**scheduler: Any) -> tuple[str, ...]:
    return told(models=[MODEL | {"scheduler": scheduler}])


def test_the_default_weighs_queue_cache_use_and_prefixes_as_llm_d_does() -> None:
    [profile] = written()["schedulingProfiles"]

    weights = {one["pluginRef"]: one.get("weight") for one in profile["plugins"]}

    assert weights == {
        "queue-scorer": 2,
        "kv-cache-utilization-scorer": 2,
        "prefix-cache-scorer": 3,
    }


@pytest.mark.parametrize("preset", schedulers())
def test_every_profile_refers_to_plugins_that_are_there(preset: str) -> None:
    said = preset_config(preset)

    there = [one["type"] for one in said["plugins"]]
    referred = {one["pluginRef"] for of in said["schedulingProfiles"] for one in of["plugins"]}

    assert len({*there}) == len(there)
    assert {*there} - referred <= HANDLERS
    assert referred <= {*there}


@pytest.mark.parametrize("preset", schedulers())
def test_prompts_are_compared_further_than_the_guides_shared_prefix_is_long(preset: str) -> None:
    for plugin in preset_config(preset)["plugins"]:
        if plugin["type"] == "prefix-cache-scorer":
            characters = plugin["parameters"]["maxPrefixBlocksToMatch"] * 64
            assert characters > 6000 * 4


def test_plugins_of_ones_own_stand_in_one_profile_unless_profiles_are_given() -> None:
    listed = [
        {"type": "queue-scorer", "weight": 7},
        {"type": "prefix-cache-scorer", "name": "long", "parameters": {"blockSize": 128}},
    ]

    said = written(plugins=listed)

    assert said["plugins"][1] == {
        "type": "prefix-cache-scorer",
        "name": "long",
        "parameters": {"blockSize": 128},
    }
    assert said["schedulingProfiles"] == [
        {
            "name": "default",
            "plugins": [
                {"pluginRef": "queue-scorer", "weight": 7},
                {"pluginRef": "long"},
            ],
        }
    ]


def test_profiles_of_ones_own_stand_as_they_are_given() -> None:
    said = written(
        plugins=[{"type": "queue-scorer"}, {"type": "random-picker"}],
        profiles=[
            {"name": "one", "plugins": [{"pluginRef": "queue-scorer", "weight": 1}]},
            {"name": "two", "plugins": [{"pluginRef": "random-picker"}]},
        ],
    )

    one, two = said["schedulingProfiles"]

    assert one["plugins"] == [{"pluginRef": "queue-scorer", "weight": 1}]
    assert two["plugins"] == [{"pluginRef": "random-picker"}]


def test_an_unknown_plugin_is_told_with_the_one_that_was_meant() -> None:
    [problem] = wrong(plugins=[{"type": "kv-cache-utilisation-scorer"}])

    assert problem.startswith(
        "`models[0].scheduler.plugins[0].type` is `kv-cache-utilisation-scorer`, expected one of "
    )
    assert problem.endswith("did you mean `kv-cache-utilization-scorer`?")


@pytest.mark.parametrize(
    ("scheduler", "told_so"),
    [
        (
            {"preset": "queue", "plugins": [{"type": "queue-scorer"}]},
            (
                "`models[0].scheduler.preset` is `queue`, expected either a preset or `plugins`, "
                "not both"
            ),
        ),
        (
            {"plugins": [{"type": "queue-scorer"}, {"type": "queue-scorer"}]},
            (
                "`models[0].scheduler.plugins[1].name` is `queue-scorer`, expected a name that no "
                "plugin before it has"
            ),
        ),
        (
            {"profiles": [{"name": "one", "plugins": [{"pluginRef": "queue-scorer"}]}]},
            (
                "`models[0].scheduler.profiles` is `given`, expected `plugins` beside it, for it "
                "to refer to"
            ),
        ),
        (
            {
                "plugins": [{"type": "queue-scorer"}],
                "profiles": [{"name": "one", "plugins": [{"pluginRef": "queue-scorr"}]}],
            },
            (
                "`models[0].scheduler.profiles[0].plugins[0].pluginRef` is `queue-scorr`, expected "
                "one of queue-scorer; did you mean `queue-scorer`?"
            ),
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(scheduler: dict[str, Any], told_so: str) -> None:
    assert wrong(**scheduler) == (told_so,)


@pytest.mark.parametrize("preset", schedulers())
@pytest.mark.parametrize("release", releases())
def test_a_release_has_the_plugins_of_every_preset_or_refuses_it(preset: str, release: str) -> None:
    lacking = [
        one.type
        for one in schedulers()[preset].everything
        if one.type not in releases()[release].plugins
    ]
    asked: dict[str, Any] = {"release": release, **fitting(preset)}

    if lacking:
        assert told(**asked) == (
            (
                f"`models[0].scheduler.preset` is `{preset}`, expected one whose plugins the "
                f"release has: it has no `{lacking[0]}`"
            ),
        )
    else:
        assert planned(**asked).models


def test_balanced_gives_up_a_cached_prefix_for_a_queue_and_load_together_and_for_neither() -> None:
    weights = {one.type: one.weight or 0 for one in schedulers()["balanced"].plugins}
    # A question of a sixth of the prompt, as the guides have it, is in no cache.
    cached = weights["prefix-cache-scorer"] * 5 / 6
    queue, running = weights["queue-scorer"], weights["running-requests-size-scorer"]

    assert max(queue, running) < cached < queue + running
