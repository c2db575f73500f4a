"""An endpoint picker's configuration: a preset, or the plugins that the stack file lists."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import yaml

from stack import config, sources
from stack.hardware import Feature, Hardware
from stack.problems import unknown, wrong
from stack.releases import Release
from stack.schedulers import (
    NAME,
    PREFIX_CACHE,
    REPOSITORY,
    SERVERS,
    Plugin,
    Scheduler,
    schedulers,
)

DISAGGREGATED = frozenset({"disagg-profile-handler", "pd-profile-handler"})
TOKENIZES = "precise-prefix-cache-scorer"
LISTENS = frozenset({"precise-prefix-cache-producer", TOKENIZES})
"""To what model servers tell of their KV caches."""
PREFILL_DECODE = "prefill-decode"


def picker_config(model: config.Model, release: Release, servers: str) -> str:
    """EndpointPickerConfig as YAML; `servers` is the URL of the model's servers."""
    asked = model.scheduler
    body = _listed(asked) if asked.plugins else _preset(model, release, servers)
    return yaml.safe_dump(
        {
            "apiVersion": release.picker_config_api,
            "kind": "EndpointPickerConfig",
            **({"featureGates": ["flowControl"]} if asked.flow_control else {}),
            **body,
        },
        sort_keys=False,
    )


def types(model: config.Model, release: Release) -> frozenset[str]:
    """Of the plugins that the model's endpoint picker has."""
    listed = model.scheduler.plugins or _scheduler(model, release).everything
    return frozenset(one.type for one in listed)


def listens(model: config.Model, release: Release) -> bool:
    """Whether model servers have to tell the endpoint picker what their KV caches hold."""
    return bool(types(model, release) & LISTENS)


def tokenizes(model: config.Model, release: Release) -> bool:
    """Whether the endpoint picker reads the model's tokenizer."""
    return TOKENIZES in types(model, release)


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
    yield from _roles(model, release, here)
    if listens(model, release):
        yield from _kv_events(model, release, target, here)


def _preset_problems(model: config.Model, release: Release, at: str) -> Iterator[str]:
    asked = model.scheduler
    if asked.profiles:
        yield wrong(f"{at}.profiles", "given", "`plugins` beside it, for it to refer to")
    there = (one.type for one in _scheduler(model, release).everything)
    if lacking := [f"`{plugin}`" for plugin in there if plugin not in release.plugins]:
        expected = f"one whose plugins the release has: it has no {', '.join(lacking)}"
        yield wrong(f"{at}.preset", asked.preset, expected)
    if asked.preset == "lora-affinity" and not model.adapters:
        yield wrong(f"{at}.preset", asked.preset, "`adapters` beside it, or another preset")


def _roles(model: config.Model, release: Release, at: str) -> Iterator[str]:
    """Pods that only read prompts, and an endpoint picker that knows none, or the reverse."""
    said = "plugins" if model.scheduler.plugins else "preset"
    value = "given" if model.scheduler.plugins else model.scheduler.preset
    handlers = DISAGGREGATED & types(model, release)
    if model.prefill and not handlers:
        known = min(DISAGGREGATED & release.plugins)
        yield wrong(
            f"{at}.{said}",
            value,
            f"`{PREFILL_DECODE}`, or plugins with `{known}`: others would send requests "
            "to the pods of `prefill` as if they answered",
        )
    if not model.prefill and handlers:
        yield wrong(f"{at}.{said}", value, "`prefill` on the model, whose pods it would choose")


def _kv_events(model: config.Model, release: Release, target: Hardware, at: str) -> Iterator[str]:
    said = "plugins" if model.scheduler.plugins else "preset"
    value = "given" if model.scheduler.plugins else model.scheduler.preset
    plugin = min(LISTENS & types(model, release))
    if why := target.lacks.get(Feature.KV_EVENTS):
        yield wrong(f"{at}.{said}", value, f"one without `{plugin}` on this hardware: {why}")
    if model.data_parallel > 1:
        yield wrong(
            f"{at}.{said}",
            value,
            f"one without `{plugin}`, or `dataParallel: 1`: it listens to one copy of the "
            "model in each replica",
        )
    if plugin == TOKENIZES and not sources.of(model).repository:
        yield wrong(
            f"{at}.{said}",
            value,
            f"one without `{plugin}`, or a `source` on Hugging Face: the endpoint picker reads "
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


def _scheduler(model: config.Model, release: Release) -> Scheduler:
    """The preset; where a model has roles and the stack file chooses none, the one with roles."""
    asked = model.scheduler.preset
    preset = schedulers()[PREFILL_DECODE if model.prefill and asked == "default" else asked]
    return preset.of(release.plugins)


def _preset(model: config.Model, release: Release, servers: str) -> dict[str, Any]:
    preset = _scheduler(model, release)
    words = {REPOSITORY: sources.of(model).repository, NAME: model.name, SERVERS: servers}
    extracted = [
        {"pluginRef": source, "extractors": [{"pluginRef": extractor}]}
        for source, extractor in preset.extracts.items()
    ]
    return {
        "plugins": [part for one in preset.everything for part in _parts(one, release, words)],
        **({"dataLayer": {"sources": extracted}} if extracted else {}),
        "schedulingProfiles": [
            {
                "name": name,
                "plugins": [_reference(one.type, one.weight) for one in (*first, *preset.plugins)],
            }
            for name, first in preset.profiles.items()
        ],
    }


def _parts(
    plugin: Plugin, release: Release, words: Mapping[str, str | None]
) -> Iterator[dict[str, Any]]:
    """A scorer, and what it reads, where the release has split it in two."""
    parameters = _filled(plugin.parameters, words)
    compares = plugin.parameters is PREFIX_CACHE
    if compares and plugin.type != release.prefix_plugin:
        yield _plugin(release.prefix_plugin, None, parameters)
        yield _plugin(plugin.type, None, {})
    else:
        yield _plugin(plugin.type, None, parameters)


def _filled(value: Any, words: Mapping[str, str | None]) -> Any:
    """Parameters of a preset, with what stands in them for something of the model's."""
    if isinstance(value, Mapping):
        parameters = cast("Mapping[str, Any]", value)
        return {key: _filled(inner, words) for key, inner in parameters.items()}
    return words.get(value, value) if isinstance(value, str) else value


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
