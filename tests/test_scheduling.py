"""How a model's pods are chosen: presets, plugins of one's own, and what is refused."""

import json
from typing import Any

import pytest
import yaml
from presets import fitting
from test_bad_input import MODEL, planned, told

from stack.releases import releases
from stack.schedulers import schedulers

OF_NO_PROFILE = {
    "always-disagg-pd-decider",
    "core-metrics-extractor",
    "disagg-headers-handler",
    "disagg-profile-handler",
    "endpoint-notification-source",
    "metrics-data-source",
    "pd-profile-handler",
    "precise-prefix-cache-producer",
    "prefill-header-handler",
    "token-producer",
}
"""They choose profiles, act when all have run, or know what scorers ask."""


def written(**scheduler: Any) -> dict[str, Any]:
    """The EndpointPickerConfig of a stack whose model asks for that scheduler."""
    [model] = planned(models=[MODEL | {"scheduler": scheduler}]).models
    return yaml.safe_load(model.pool.picker_config)


def preset_config(preset: str, release: str = "v0.5") -> dict[str, Any]:
    [model] = planned(release=release, **fitting(preset)).models
    return yaml.safe_load(model.pool.picker_config)


def lacking(preset: str, release: str) -> list[str]:
    plugins = releases()[release].plugins
    fitted = schedulers()[preset].of(plugins)
    return [one.type for one in fitted.everything if one.type not in plugins]


HAD = [
    (preset, release)
    for preset in schedulers()
    for release in releases()
    if not lacking(preset, release)
]
"""Presets, and the releases that have them."""


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


@pytest.mark.parametrize(("preset", "release"), HAD)
def test_every_profile_refers_to_plugins_that_are_there(preset: str, release: str) -> None:
    said = preset_config(preset, release)

    there = [one["type"] for one in said["plugins"]]
    referred = {one["pluginRef"] for of in said["schedulingProfiles"] for one in of["plugins"]}

    assert len({*there}) == len(there)
    producer = {releases()[release].prefix_plugin} - {"prefix-cache-scorer"}
    assert {*there} - referred <= OF_NO_PROFILE | producer
    assert referred <= {*there}
    assert {*there} <= releases()[release].plugins


@pytest.mark.parametrize("preset", schedulers())
def test_prompts_are_compared_further_than_the_guides_shared_prefix_is_long(preset: str) -> None:
    for plugin in preset_config(preset)["plugins"]:
        if "maxPrefixBlocksToMatch" in plugin.get("parameters", {}):
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
    asked: dict[str, Any] = {"release": release, **fitting(preset)}

    if missing := lacking(preset, release):
        assert told(**asked) == (
            (
                f"`models[0].scheduler.preset` is `{preset}`, expected one whose plugins the "
                f"release has: it has no {', '.join(f'`{one}`' for one in missing)}"
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


def test_every_release_but_one_has_every_preset_with_roles_and_events() -> None:
    had = {preset: {where for one, where in HAD if one == preset} for preset in schedulers()}

    assert had["prefill-decode"] == {"v0.4", "v0.5", "v0.6", "current"}
    assert had["precise-prefix-cache"] == {"v0.4", "v0.5", "current"}


def test_prompts_always_go_to_pods_that_read_them_however_the_release_says_so() -> None:
    old = preset_config("prefill-decode", "v0.5")["plugins"]
    new = preset_config("prefill-decode", "current")["plugins"]

    assert {"type": "pd-profile-handler"} in old
    names = [one["type"] for one in new]
    assert names.index("always-disagg-pd-decider") < names.index("disagg-profile-handler")
    [handler] = [one for one in new if one["type"] == "disagg-profile-handler"]
    assert handler["parameters"] == {"deciders": {"prefill": "always-disagg-pd-decider"}}


def test_the_endpoint_picker_listens_where_the_servers_tell() -> None:
    [model] = planned(release="current", **fitting("precise-prefix-cache")).models
    [producer] = [
        one["parameters"]
        for one in yaml.safe_load(model.pool.picker_config)["plugins"]
        if one["type"] == "precise-prefix-cache-producer"
    ]
    args = model.service.decode.args
    events = json.loads(next(one for one in args if "kv-events" in one).partition("=")[2])

    assert f"--block-size={producer['tokenProcessorConfig']['blockSizeTokens']}" in args
    discovered = producer["kvEventsConfig"]["podDiscoveryConfig"]["socketPort"]
    assert events["endpoint"] == f"tcp://*:{discovered}"
    assert events["topic"].startswith(producer["kvEventsConfig"]["topicFilter"])


@pytest.mark.parametrize(("release", "pod"), [("v0.5", "$(POD_IP)"), ("current", "$(POD_IP):8000")])
def test_servers_call_themselves_what_the_releases_endpoint_picker_calls_them(
    release: str, pod: str
) -> None:
    [model] = planned(release=release, **fitting("precise-prefix-cache")).models
    events = next(one for one in model.service.decode.args if "kv-events" in one)

    assert json.loads(events.partition("=")[2])["topic"] == f"kv@{pod}@{model.name}"


def test_tokens_are_asked_of_the_models_own_servers() -> None:
    [model] = planned(release="current", **fitting("precise-prefix-cache")).models
    [producer] = [
        one["parameters"]
        for one in yaml.safe_load(model.pool.picker_config)["plugins"]
        if one["type"] == "token-producer"
    ]

    assert producer["modelName"] == model.name
    assert model.service.name in producer["vllm"]["url"]
    assert not model.pool.reads_tokenizer
