"""Names and priorities that requests may ask for, and what an endpoint picker makes of them."""

from collections.abc import Iterator

from stack import config
from stack.plan import Objective, Rewrite
from stack.problems import unknown, wrong
from stack.releases import Release

REWRITES = "inferencemodelrewrites"


def shares(stack: config.Stack) -> dict[str, dict[str, int]]:
    """Every name that requests may ask for -> names of the models that answer, and their shares."""
    owners = _owners(stack)
    made = {name: {owner: 1} for name, owner in owners.items()}
    for alias, targets in _shared_out(stack):
        made[alias] = dict.fromkeys((owners[target] for target in targets), 0)
        for target, weight in targets.items():
            made[alias][owners[target]] += weight
    return made


def rewrites(model: config.Model, stack: config.Stack) -> tuple[Rewrite, ...]:
    """What the model's own endpoint picker makes of names, once a request has come to it."""
    known = served(model)
    own = (
        Rewrite(model=alias, targets={to: targets[to] for to in targets if to in known})
        for alias, targets in _shared_out(stack)
    )
    return tuple(one for one in own if one.targets.keys() - {one.model})


def _shared_out(stack: config.Stack) -> Iterator[tuple[str, dict[str, int]]]:
    """Each alias, and the weights of what answers to it."""
    for model in stack.models:
        for alias in model.aliases:
            weights = {one.model: one.weight for one in alias.targets}
            yield alias.name, weights or {model.name: 1}


def _owners(stack: config.Stack) -> dict[str, str]:
    """Each name that servers answer to -> the model whose servers do."""
    return {name: model.name for model in stack.models for name in sorted(served(model))}


def objectives(model: config.Model) -> tuple[Objective, ...]:
    return tuple(Objective(name=one.name, priority=one.priority) for one in model.objectives)


def problems(stack: config.Stack, release: Release) -> Iterator[str]:
    yield from _names(stack)
    for index, model in enumerate(stack.models):
        if model.aliases and not any(REWRITES in them for them in release.picker_watches.values()):
            yield wrong(
                f"models[{index}].aliases",
                "given",
                f"none with release `{stack.release}`, whose endpoint picker rewrites no names",
            )
        yield from _aliases(model, stack, f"models[{index}]")
    taken: dict[str, str] = {}
    for index, model in enumerate(stack.models):
        for at, objective in enumerate(model.objectives):
            yield from _taken(objective.name, f"models[{index}].objectives[{at}]", taken)


def _names(stack: config.Stack) -> Iterator[str]:
    """Each name that requests may ask for has one meaning; models' own are checked elsewhere."""
    taken = {model.name: f"models[{index}]" for index, model in enumerate(stack.models)}
    for index, model in enumerate(stack.models):
        own = {f"models[{index}]"}
        for at, adapter in enumerate(model.adapters):
            where = f"models[{index}].adapters[{at}]"
            yield from _taken(adapter.name, where, taken)
            own.add(where)
        for at, alias in enumerate(model.aliases):
            # It may share out the requests for a name of its own model.
            if taken.get(alias.name) in own:
                del taken[alias.name]
            yield from _taken(alias.name, f"models[{index}].aliases[{at}]", taken)


def _taken(name: str, where: str, taken: dict[str, str]) -> Iterator[str]:
    if name in taken:
        yield wrong(f"{where}.name", name, f"a name that {taken[name]} does not have")
    taken.setdefault(name, where)


def _aliases(model: config.Model, stack: config.Stack, at: str) -> Iterator[str]:
    known = _owners(stack)
    for index, alias in enumerate(model.aliases):
        where = f"{at}.aliases[{index}]"
        if alias.name in served(model) and not alias.targets:
            yield wrong(f"{where}.name", alias.name, "`targets` beside it: it is served as it is")
        for number, target in enumerate(alias.targets):
            if target.model not in known:
                yield unknown(f"{where}.targets[{number}].model", target.model, known)
            elif target.model in [one.model for one in alias.targets[:number]]:
                yield wrong(
                    f"{where}.targets[{number}].model", target.model, "each target once, by weight"
                )


def names(model: config.Model) -> list[str]:
    """What requests may ask for and the model's block says, each once."""
    said = (model.name, *(one.name for one in model.adapters), *(one.name for one in model.aliases))
    return [*dict.fromkeys(said)]


def served(model: config.Model) -> frozenset[str]:
    """What the model's servers answer to."""
    return frozenset({model.name, *(one.name for one in model.adapters)})
