"""Which images a stack has built, what they are called, and why others are not built."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from images import Recipe, Source, recipes
from stack import config, entrances, picker_plugins
from stack.hardware import targets
from stack.kinds import ClusterKind
from stack.plan import Image, Part, Patch, PullSecret
from stack.problems import wrong
from stack.releases import Release

LOADED = "localhost"
"""Registry of images that are in none: no node tries to pull them."""
PULL_SECRET = "llm-d-registry"  # noqa: S105 - the Secret's name
DIGITS = 12
"""Of a tag's digest: enough to tell the builds of one source apart."""


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """A source with its repository and arguments."""

    repository: str
    source: Source
    args: Mapping[str, str]


def builds(
    stack: config.Stack, release: Release, kind: ClusterKind[config.Cluster], *, name: str
) -> tuple[Release, tuple[Image, ...], Mapping[str, str]]:
    """The release as it is with what is built for it, those images, and why others are not.

    What has no source or no way to the cluster is left out: `problems` tells.
    """
    made: list[Image] = []
    not_built: dict[str, str] = {}
    for word in stack.images.build:
        recipe = recipes()[word]
        if why := _needless(recipe, stack, release):
            not_built[word] = why
        elif (chosen := _chosen(word, recipe, stack)) and _has_way(stack, kind):
            made.append(_image(word, recipe, chosen, stack, kind, name))
            release = _with(release, recipe, stack.hardware, made[-1].name)
    return release, (*made,), not_built


def problems(
    stack: config.Stack, kind: ClusterKind[config.Cluster], secrets: frozenset[str]
) -> Iterator[str]:
    said = stack.images
    for index, word in enumerate(said.build):
        if word in said.build[:index]:
            yield wrong(f"images.build[{index}]", word, "each recipe once")
        elif not _chosen(word, recipes()[word], stack):
            why = recipes()[word].lacks.get(stack.release, "none is known")
            yield wrong(
                f"images.build[{index}]",
                word,
                f"one that there is a source of for release `{stack.release}`, or `commit` and "
                f"`tag` in `images.sources.{word}`: {why}",
            )
    for word, source in said.sources.items():
        if word not in said.build:
            yield wrong(f"images.sources.{word}", "given", "a recipe that `images.build` has too")
        elif (source.tag or source.repository) and not source.commit:
            yield wrong(
                f"images.sources.{word}",
                source.tag or source.repository,
                "its `commit` too: a tag can be moved",
            )
    if said.build and not _has_way(stack, kind):
        yield (
            "`images.registry` is missing: the nodes of this kind of cluster take images from "
            "registries alone"
        )
    if len(said.platforms) > 1 and not said.registry:
        yield wrong(
            "images.platforms",
            ", ".join(said.platforms),
            "one, or an `images.registry`: nodes are given images of their own platform",
        )
    if len(set(said.platforms)) < len(said.platforms):
        yield wrong("images.platforms", ", ".join(said.platforms), "each platform once")
    yield from _credentials(said.registry, secrets)


def _credentials(registry: config.Registry | None, secrets: frozenset[str]) -> Iterator[str]:
    user, has_password = registry.username if registry else None, "registryPassword" in secrets
    if user and not has_password:
        yield wrong(
            "images.registry.username",
            user,
            "its password too, by `pulumi config set --secret llm-d:registryPassword`, or neither, "
            "to push as whoever is logged in on this machine",
        )
    elif has_password and not user:
        yield "`images.registry.username` is missing: it is whose `llm-d:registryPassword` is set"


def pull_secret(stack: config.Stack, images: tuple[Image, ...]) -> PullSecret | None:
    registry = stack.images.registry
    if not (images and registry and registry.username):
        return None
    host = registry.repository.partition("/")[0]
    return PullSecret(
        name=PULL_SECRET,
        # Docker Hub is logged in to under the name that it had once.
        registry="https://index.docker.io/v1/" if host == "docker.io" else host,
        username=registry.username,
    )


def _needless(recipe: Recipe, stack: config.Stack, release: Release) -> str | None:
    """Why the stack can do without it."""
    if recipe.stands_for == "server" and stack.hardware not in recipe.hardware:
        return f"hardware `{stack.hardware}` has another model server"
    if recipe.stands_for == "routing proxy" and not any(one.prefill for one in stack.models):
        return "nothing would run it: no model has `prefill`"
    architectures = {_arch(one) for one in _platforms(stack)}
    if architectures <= recipe.published and not stack.images.rebuild:
        listed = " and ".join(sorted(architectures))
        return (
            f"{_published(recipe, stack, release)} is published for {listed}; `images.rebuild` "
            "builds it all the same"
        )
    return None


def _published(recipe: Recipe, stack: config.Stack, release: Release) -> str:
    match recipe.stands_for:
        case "endpoint picker":
            return release.endpoint_picker
        case "routing proxy":
            return release.routing_proxy
        case "server":
            server = release.servers.get(stack.hardware)
            return server.image if server else f"the server of hardware `{stack.hardware}`"


def _with(release: Release, recipe: Recipe, hardware: str, name: str) -> Release:
    match recipe.stands_for:
        case "endpoint picker":
            known = release.plugins & picker_plugins.EXTENSION
            return replace(release, endpoint_picker=name, plugins=known)
        case "routing proxy":
            return replace(release, routing_proxy=name)
        case "server":
            # Where it has none for this hardware, what it has for its like is run in the same way.
            like = next(
                one for one in (hardware, *sorted(recipe.hardware)) if one in release.servers
            )
            server = replace(release.servers[like], image=name)
            lacks = {key: why for key, why in release.lacks.items() if key != hardware}
            return replace(release, servers={**release.servers, hardware: server}, lacks=lacks)


def _chosen(word: str, recipe: Recipe, stack: config.Stack) -> _Chosen | None:
    said = stack.images.sources.get(word, config.ImageSource())
    source = (
        Source(tag=said.tag, commit=said.commit)
        if said.commit
        else recipe.sources.get(stack.release)
    )
    return source and _Chosen(
        repository=said.repository or recipe.repository,
        source=source,
        args={**recipe.args, **said.args},
    )


def _has_way(stack: config.Stack, kind: ClusterKind[config.Cluster]) -> bool:
    return bool(stack.images.registry or kind.loads_images)


def _image(
    word: str,
    recipe: Recipe,
    chosen: _Chosen,
    stack: config.Stack,
    kind: ClusterKind[config.Cluster],
    owner: str,
) -> Image:
    said = stack.images
    folder = said.registry.repository if said.registry else LOADED
    name = f"{folder}/llm-d-{word}"
    parts = [_part(name, recipe, chosen, one) for one in _platforms(stack)]
    whole = f"{name}:{_tag(chosen.source, [one.name for one in parts])}"
    loads = kind.loads_images(stack.cluster) if kind.loads_images and not said.registry else ()
    return Image(
        stack=owner,
        recipe=word,
        name=whole if len(parts) > 1 else parts[0].name,
        parts=(*parts,),
        repository=chosen.repository,
        tag=chosen.source.tag,
        commit=chosen.source.commit,
        dockerfile=recipe.dockerfile,
        target=recipe.target,
        args=chosen.args,
        engine=said.engine,
        seconds=entrances.seconds(said.timeout) if said.timeout else recipe.seconds,
        username=said.registry and said.registry.username,
        loads=loads,
    )


def _part(name: str, recipe: Recipe, chosen: _Chosen, platform: str) -> Part:
    arch = _arch(platform)
    patches = tuple(
        Patch(file=one.file, find=one.find, replace=one.replace.format(arch=arch))
        for one in recipe.patches
    )
    told = [
        chosen.source.commit,
        platform,
        recipe.dockerfile,
        recipe.target,
        sorted(chosen.args.items()),
        [(one.file, one.find, one.replace) for one in patches],
    ]
    return Part(
        platform=platform, name=f"{name}:{_tag(chosen.source, told, arch)}", patches=patches
    )


def _tag(source: Source, told: object, arch: str = "") -> str:
    """What a person knows it by, and the digest of all that it is made of."""
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:DIGITS]
    known = re.sub(r"[^\w.-]", "-", source.tag or source.commit[:DIGITS])[:64]
    return "-".join(part for part in (known, arch, digest) if part)


def _platforms(stack: config.Stack) -> list[str]:
    machine = targets()[stack.hardware].node_labels.get("kubernetes.io/arch", "amd64")
    return [*stack.images.platforms] or [f"linux/{machine}"]


def _arch(platform: str) -> str:
    return platform.rpartition("/")[2]
