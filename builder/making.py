"""What a stack's images go through: made, pushed or put on nodes, and removed."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

from builder import engines, registry, source
from builder.asked import Image, Part
from builder.engines import Engine
from builder.running import Runner
from builder.shelf import Shelf
from tools import Missing
from tools.progress import Progress

LOAD_SECONDS = 1800.0
TURN_SECONDS = 24 * 3600.0
"""For other images, which are built one after another."""


def build(image: Image, shelf: Shelf, password: str | None, progress: Progress) -> dict[str, str]:
    """Have the image where pods get it from; by what they run it, and its digest."""
    with shelf.taken(progress, _patience(image)) as lock:
        runner = Runner(image.recipe, progress, keep=(lock,))
        if image.loads:
            return _made(image, shelf, runner)
        return _pushed(image, shelf, password, runner)


def load(image: Image, shelf: Shelf, _password: str | None, progress: Progress) -> dict[str, str]:
    """Put the image on the cluster's nodes; built again, where somebody has removed it since."""
    with shelf.taken(progress, _patience(image)) as lock:
        runner = Runner(image.recipe, progress, keep=(lock,))
        said = _made(image, shelf, runner)
        _, engine = engines.find(shelf.engine(), runner)
        archive = shelf.work / "image.tar"
        engine.save(image.name, archive)
        runner.stream(
            [*image.loads, archive],
            seconds=LOAD_SECONDS,
            way_out="see that the cluster is up and has room, and run this again",
        )
        return said


def remove(image: Image, shelf: Shelf, _password: str | None, progress: Progress) -> None:
    """Leave nothing of it on this machine, once no stack needs it; what was pushed stays there."""
    with shelf.taken(progress, _patience(image)) as lock:
        if shelf.leave():
            return
        runner = Runner(image.recipe, progress, keep=(lock,))
        name = shelf.engine() or image.engine
        program = engines.ENGINES[name].program if name else None
        # What an engine had that is gone went with it.
        if name and program and shutil.which(program):
            _, engine = engines.find(name, runner)
            with shelf.alone(progress, TURN_SECONDS):
                _tidy(shelf, runner)
            engine.drop(image)
            engine.remove(
                [image.name, *(one.name for one in image.parts if one.name != image.name)]
            )
        shelf.clear()


def sweep(cache: Path, stack: str, progress: Progress) -> None:
    """Remove what a stack has that is gone: of runs that were killed before Pulumi knew of it."""
    for file in sorted((cache / "images").glob("*/image.json")):
        image = replace(Image.read(file.read_text()), stack=stack)
        shelf = Shelf.of(image, cache)
        if shelf.is_needed():
            remove(image, shelf, None, progress)


def _patience(image: Image) -> float:
    """Seconds for another run that has the same image to make."""
    return float(image.seconds * len(image.parts))


def _made(image: Image, shelf: Shelf, runner: Runner) -> dict[str, str]:
    [part] = image.parts
    engine = _engine(image, shelf, runner)
    digest = _part(image, part, engine, shelf, runner)
    return {"image": image.name, "digest": digest}


def _pushed(image: Image, shelf: Shelf, password: str | None, runner: Runner) -> dict[str, str]:
    found = registry.digest(image.name, image.username, password)
    if found is None:
        engine = _engine(image, shelf, runner)
        home = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
        env = registry.login(image, password, shelf.work / "login", Path(home))
        sender = engine.as_user(env)
        digests = [
            registry.digest(part.name, image.username, password)
            or _sent(image, part, engine, sender, shelf, runner)
            for part in image.parts
        ]
        found = digests[0]
        if len(image.parts) > 1:
            listed = [f"{image.folder}@{one}" for one in digests]
            found = sender.combine(image.name, listed, shelf.work)
    runner.progress.say(image.recipe, f"{image.name} is {found}")
    return {"image": f"{image.folder}@{found}", "digest": found}


def _sent(
    image: Image, part: Part, engine: Engine, sender: Engine, shelf: Shelf, runner: Runner
) -> str:
    _part(image, part, engine, shelf, runner)
    return sender.push(part.name, shelf.work)


def _engine(image: Image, shelf: Shelf, runner: Runner) -> Engine:
    # One that has built a part of it goes on: others do not see that part.
    name, engine = engines.find(image.engine or shelf.engine(), runner)
    shelf.note(image, name)
    return engine


def _part(image: Image, part: Part, engine: Engine, shelf: Shelf, runner: Runner) -> str:
    """Have the image for one platform; its digest on this machine."""
    if found := engine.identity(part.name):
        runner.progress.say(image.recipe, f"{part.name} is there")
        return found
    folder = shelf.work / "source"
    if not folder.exists():
        source.fetch(image, folder, runner)
    source.check_out(image, part, folder, runner)
    with shelf.alone(runner.progress, TURN_SECONDS) as lock:
        _tidy(shelf, runner)
        engine.drop(image)
        held = replace(runner, keep=(*runner.keep, lock))
        if (before := engine.containers()) is not None:
            shelf.before.write_text(json.dumps([shelf.engine(), *sorted(before)]))
        try:
            replace(engine, runner=held).build(image, part, folder)
        finally:
            _tidy(shelf, runner)
    found = engine.identity(part.name)
    if found is None:
        # An engine that is told to end may call that a success.
        raise Missing(
            image.recipe,
            f"{part.name} was not built, although its build ended well",
            way_out="run this again",
        )
    return found


def _tidy(shelf: Shelf, runner: Runner) -> None:
    """Clear away what a build has left; of a run that was killed, too."""
    if shelf.before.exists():
        name, *before = json.loads(shelf.before.read_text())
        engines.ENGINES[name](runner).tidy(frozenset(before))
        shelf.before.unlink()
