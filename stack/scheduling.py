"""An endpoint picker's configuration: a preset, or the plugins that the stack file lists."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import yaml

from stack import config, sources
from stack.hardware import Feature, Hardware
from stack.problems import unknown, wrong
from stack.releases import Release
from stack.schedulers import REPOSITORY, Plugin, Scheduler, schedulers

DISAGGREGATED = "pd-profile-handler"
KV_EVENTS = "precise-prefix-cache-scorer"
PREFILL_DECODE = "prefill-decode"


def picker_config(model: config.Model, release: Release) -> str:
    """EndpointPickerConfig as YAML."""
    asked = model.scheduler
    body = _listed(asked) if asked.plugins else _preset(model, release)
    return yaml.safe_dump(
        {
            "apiVersion": release.picker_config_api,
            "kind": "EndpointPickerConfig",
            **({"featureGates": ["flowControl"]} if asked.flow_control else {}),
            **body,
        },
        sort_keys=False,
    )


def types(model: config.Model) -> frozenset[str]:
    """Of the plugins that the model's endpoint picker has."""
    listed = model.scheduler.plugins or _scheduler(model).everything
    return frozenset(one.type for one in listed)


def problems(model: config.Model, release: Release, target: Hardware, at: str) -> Iterator[str]:
    """Of the plugins that a stack file lists, or of a preset that does not fit."""
    asked, here = model.scheduler, f"{at}.scheduler"
    if asked.plugins:
        yield from _plugins(asked, release, here)
        yield from _references(asked, here)
    else:
        yield from _preset_problems(model, release, here)
    if asked.flow_control and "flowControl" not in release.feature_gates:
        yield wrong(f"{here}.flowControl", asked.flow_control, "false: the release has none")
    yield from _roles(model, here)
    if KV_EVENTS in types(model):
        yield from _kv_events(model, target, here)


def _preset_problems(model: config.Model, release: Release, at: str) -> Iterator[str]:
    asked = model.scheduler
    if asked.profiles:
        yield wrong(f"{at}.profiles", "given", "`plugins` beside it, for it to refer to")
    for plugin in _scheduler(model).everything:
        if plugin.type not in release.plugins:
            expected = f"one whose plugins the release has: it has no `{plugin.type}`"
            yield wrong(f"{at}.preset", asked.preset, expected)
    if asked.preset == "lora-affinity" and not model.adapters:
        yield wrong(f"{at}.preset", asked.preset, "`adapters` beside it, or another preset")


def _roles(model: config.Model, at: str) -> Iterator[str]:
    """Pods that only read prompts, and an endpoint picker that knows none, or the reverse."""
    said = "plugins" if model.scheduler.plugins else "preset"
    value = "given" if model.scheduler.plugins else model.scheduler.preset
    if model.prefill and DISAGGREGATED not in types(model):
        yield wrong(
            f"{at}.{said}",
            value,
            f"`{PREFILL_DECODE}`, or plugins with `{DISAGGREGATED}`: others would send requests "
            "to the pods of `prefill` as if they answered",
        )
    if not model.prefill and DISAGGREGATED in types(model):
        yield wrong(f"{at}.{said}", value, "`prefill` on the model, whose pods it would choose")


def _kv_events(model: config.Model, target: Hardware, at: str) -> Iterator[str]:
    said = "plugins" if model.scheduler.plugins else "preset"
    value = "given" if model.scheduler.plugins else model.scheduler.preset
    if why := target.lacks.get(Feature.KV_EVENTS):
        yield wrong(f"{at}.{said}", value, f"one without `{KV_EVENTS}` on this hardware: {why}")
    if model.data_parallel > 1:
        yield wrong(
            f"{at}.{said}",
            value,
            f"one without `{KV_EVENTS}`, or `dataParallel: 1`: it listens to one copy of the "
            "model in each replica",
        )
    if not sources.of(model).repository:
        yield wrong(
            f"{at}.{said}",
            value,
            f"one without `{KV_EVENTS}`, or a `source` on Hugging Face: the endpoint picker reads "
            "the model's tokenizer there",
        )


def _plugins(asked: config.Scheduler, release: Release, at: str) -> Iterator[str]:
    if asked.preset != "default":
        yield wrong(f"{at}.preset", asked.preset, "either a preset or `plugins`, not both")
    names: set[str] = set()
    for index, plugin in enumerate(asked.plugins):
        here, name = f"{at}.plugins[{index}]", plugin.name or plugin.type
        if plugin.type not in release.plugins:
            yield unknown(f"{here}.type", plugin.type, release.plugins)
        if name in names:
            yield wrong(f"{here}.name", name, "a name that no plugin before it has")
        names.add(name)


def _references(asked: config.Scheduler, at: str) -> Iterator[str]:
    names = [plugin.name or plugin.type for plugin in asked.plugins]
    for number, profile in enumerate(asked.profiles):
        for index, plugin in enumerate(profile.plugins):
            if plugin.plugin_ref not in names:
                where = f"{at}.profiles[{number}].plugins[{index}].pluginRef"
                yield unknown(where, plugin.plugin_ref, names)


def _scheduler(model: config.Model) -> Scheduler:
    """The preset; where a model has roles and the stack file chooses none, the one with roles."""
    asked = model.scheduler.preset
    return schedulers()[PREFILL_DECODE if model.prefill and asked == "default" else asked]


def _preset(model: config.Model, release: Release) -> dict[str, Any]:
    preset, repository = _scheduler(model), sources.of(model).repository
    return {
        "plugins": [part for one in preset.everything for part in _parts(one, release, repository)],
        "schedulingProfiles": [
            {
                "name": name,
                "plugins": [_reference(one.type, one.weight) for one in (*first, *preset.plugins)],
            }
            for name, first in preset.profiles.items()
        ],
    }


def _parts(plugin: Plugin, release: Release, repository: str | None) -> Iterator[dict[str, Any]]:
    """A scorer, and what it reads, where the release has split it in two."""
    parameters = _filled(plugin.parameters, repository)
    if plugin.type == "prefix-cache-scorer" != release.prefix_plugin:
        yield _plugin(release.prefix_plugin, None, parameters)
        yield _plugin(plugin.type, None, {})
    else:
        yield _plugin(plugin.type, None, parameters)


def _filled(value: Any, repository: str | None) -> Any:
    """Parameters of a preset, with the model's repository where they name one."""
    if isinstance(value, Mapping):
        parameters = cast("Mapping[str, Any]", value)
        return {key: _filled(inner, repository) for key, inner in parameters.items()}
    return repository if value == REPOSITORY else value


def _listed(asked: config.Scheduler) -> dict[str, Any]:
    """What the stack file says; without profiles, every plugin in one."""
    profiles = [
        {
            "name": profile.name,
            "plugins": [_reference(one.plugin_ref, one.weight) for one in profile.plugins],
        }
        for profile in asked.profiles
    ]
    everything = {
        "name": "default",
        "plugins": [_reference(one.name or one.type, one.weight) for one in asked.plugins],
    }
    return {
        "plugins": [_plugin(one.type, one.name, one.parameters) for one in asked.plugins],
        "schedulingProfiles": profiles or [everything],
    }


def _plugin(kind: str, name: str | None, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": kind,
        **({"name": name} if name else {}),
        **({"parameters": dict(parameters)} if parameters else {}),
    }


def _reference(name: str, weight: int | None) -> dict[str, Any]:
    return {"pluginRef": name, **({"weight": weight} if weight is not None else {})}
