"""Builds a stack's images on this machine, with whichever container engine it has.

    python3 -m builder build|load|remove

Standard library only, as `tools` is. What to build comes in the environment, so that no value of a
stack file ever reaches a shell or an argument that means something else.

    source ----> engine ----> registry, or the nodes
    git          podman       by digest    by an archive

A run may be killed at any moment: what it began is held by a lock for as long as any program of it
lives, and cleared away by the next run.
"""
