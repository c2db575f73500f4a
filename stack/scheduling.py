"""An endpoint picker's configuration: a preset, or the plugins that the stack file lists."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from stack import config
from stack.problems import unknown, wrong
from stack.releases import Release
from stack.schedulers import schedulers


def picker_config(asked: config.Scheduler, release: Release) -> str:
    """EndpointPickerConfig as YAML."""
    body = _listed(asked) if asked.plugins else _preset(asked)
    return yaml.safe_dump(
        {"apiVersion": release.picker_config_api, "kind": "EndpointPickerConfig", **body},
        sort_keys=False,
    )


def problems(asked: config.Scheduler, release: Release, at: str) -> Iterator[str]:
    """Of the plugins that a stack file lists, or of a preset that the release cannot have."""
    if asked.plugins:
        yield from _plugins(asked, release, at)
        yield from _references(asked, at)
        return
    if asked.profiles:
        yield wrong(f"{at}.profiles", "given", "`plugins` beside it, for it to refer to")
    for plugin in schedulers()[asked.preset].plugins:
        if plugin.type not in release.plugins:
            expected = f"one whose plugins the release has: it has no `{plugin.type}`"
            yield wrong(f"{at}.preset", asked.preset, expected)


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


def _preset(asked: config.Scheduler) -> dict[str, Any]:
    plugins = schedulers()[asked.preset].plugins
    return {
        "plugins": [_plugin(one.type, None, one.parameters) for one in plugins],
        "schedulingProfiles": [
            {"name": "default", "plugins": [_reference(one.type, one.weight) for one in plugins]}
        ],
    }


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
