"""Images that are built here, and how pods come to run what was built."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar, cast

import pulumi
import pulumi_command as command
import pulumi_kubernetes.core.v1 as core

from stack import plan

Spec = TypeVar("Spec")
DIGESTS = "llm-d.ai/image-digests"
"""Annotation of pods: an image that is built anew under its old name is a new pod."""


class ImageBuild(pulumi.ComponentResource):
    """One image: there, under its name, once this component is."""

    image: pulumi.Output[str]
    """What pods run: by its digest where it was pushed, by its name where nodes have it."""
    digest: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        image: plan.Image,
        password: pulumi.Input[str] | None,
        owner: pulumi.Resource | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`owner` is what makes the cluster whose nodes the image is put on."""
        super().__init__("llm-d:components:ImageBuild", name, None, opts)
        made = command.local.Command(
            name,
            # The same words for every stack: what differs travels in the environment.
            create="exec python3 -m builder build",
            delete="exec python3 -m builder remove",
            environment=environment(image, password),
            # The old name's image goes when pods run the new one.
            triggers=[image.name],
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        if image.loads:
            # The nodes' copies go with the cluster, and are needed again on the next one.
            made = command.local.Command(
                f"{name}-load",
                create="exec python3 -m builder load",
                environment=environment(image, password),
                add_previous_output_in_env=False,
                opts=pulumi.ResourceOptions(
                    parent=self,
                    depends_on=[made, *([owner] if owner else [])],
                    deleted_with=owner,
                ),
            )
        # The password makes all that its command says a secret; a digest is none.
        said = pulumi.Output.unsecret(made.stdout).apply(json.loads)
        # A name is known before anything is built, a digest is not.
        self.image = (
            pulumi.Output.from_input(image.name)
            if image.loads
            else cast("pulumi.Output[str]", said["image"])
        )
        self.digest = cast("pulumi.Output[str]", said["digest"])
        self.register_outputs({"image": self.image, "digest": self.digest})


@dataclass(frozen=True)
class Images:
    """What was built, by the name that the plan knows it by."""

    builds: Mapping[str, ImageBuild] = field(default_factory=dict[str, ImageBuild])


def built(
    images: Sequence[plan.Image],
    *,
    password: pulumi.Input[str] | None,
    owner: pulumi.Resource | None,
) -> Images:
    """All images of a stack that are built."""
    return Images(
        {
            one.name: ImageBuild(f"image-{one.recipe}", image=one, password=password, owner=owner)
            for one in images
        }
    )


def environment(
    image: plan.Image, password: pulumi.Input[str] | None
) -> dict[str, pulumi.Input[str]]:
    said: dict[str, pulumi.Input[str]] = {
        "LLMD_IMAGE": json.dumps(asdict(image)),
    }
    if image.username and password is not None:
        said["LLMD_REGISTRY_PASSWORD"] = password
    return said


def running(spec: Spec, images: Images) -> Spec:
    """The spec of a Deployment or a Job, whose pods run what was built."""
    said = cast("dict[str, Any]", spec)
    return cast("Spec", {**said, "template": pods_of(said["template"], images)})


def pods_of(template: core.PodTemplateSpecArgsDict, images: Images) -> core.PodTemplateSpecArgsDict:
    """The template of pods that run what was built."""
    pod = cast("dict[str, Any]", template.get("spec"))
    kinds = [key for key in ("init_containers", "containers") if key in pod]
    used = {one["image"] for key in kinds for one in pod[key]} & images.builds.keys()
    if not used:
        return template
    digests = {name: images.builds[name].digest for name in sorted(used)}
    metadata = cast("dict[str, Any]", template.get("metadata") or {})
    annotations = {**metadata.get("annotations", {}), DIGESTS: pulumi.Output.json_dumps(digests)}
    changed = {key: [of_build(one, images) for one in pod[key]] for key in kinds}
    made = {"metadata": {**metadata, "annotations": annotations}, "spec": {**pod, **changed}}
    return cast("core.PodTemplateSpecArgsDict", made)


def of_build(container: Mapping[str, Any], images: Images) -> dict[str, Any]:
    build = images.builds.get(container["image"])
    return {**container, "image": build.image} if build else {**container}
