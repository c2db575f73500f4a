"""From a container of a pod to a program of the machine, with everything resolved. Pure."""

from collections.abc import Mapping
from pathlib import Path

from embedded.agent.environment import Addresses, Sources, environment, expand
from embedded.agent.machine import Mount, Program
from embedded.agent.model import containers
from embedded.agent.objects import Object, part, parts
from embedded.agent.programs import PROGRAMS, LocalProgram, argv, program
from embedded.agent.volumes import mounts

USER = 65532
"""Of images that say no other; distroless ones call it nonroot."""


def resolve(
    pod: Object,
    name: str,
    sources: Sources,
    addresses: Addresses,
    variables: Mapping[str, str],
    folders: Mapping[str, Path],
    log: Path,
    programs: Mapping[str, LocalProgram] = PROGRAMS,
) -> Program:
    """`variables` are the services'; `folders` those of the pod's volumes, by their names.

    NotYetError where something it refers to is missing.
    """
    container = next(one for one in containers(pod) if one["name"] == name)
    local = program(container["image"], programs)
    env = environment(pod, container, sources, addresses, variables)
    own = {**part(pod, "spec", "securityContext"), **part(container, "securityContext")}
    user = int(own.get("runAsUser", USER))
    words = [
        [expand(word, env) for word in container.get(part) or ()] for part in ("command", "args")
    ]
    kinds = {
        volume["name"]: min(volume.keys() - {"name"}) for volume in parts(pod, "spec", "volumes")
    }
    return Program(
        argv=argv(local, *words),
        env={**env, **local.env},
        directory=container.get("workingDir") or "/",
        user=user,
        group=int(own.get("runAsGroup", user)),
        groups=groups(pod),
        mounts=(
            *(
                Mount(source=source, target=place, read_only=True)
                for place, source in local.files().items()
            ),
            *mounts(container, folders, kinds, env),
        ),
        read_only_root=bool(own.get("readOnlyRootFilesystem")),
        log=log,
    )


def groups(pod: Object) -> tuple[int, ...]:
    context = part(pod, "spec", "securityContext")
    shared = context.get("fsGroup")
    return tuple(
        dict.fromkeys(
            [*([shared] if shared is not None else []), *(context.get("supplementalGroups") or ())]
        )
    )
