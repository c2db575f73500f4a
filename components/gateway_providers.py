from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.crds import CrdBundle
from components.gateway import API
from components.objects import KubernetesObject, told_if_there
from stack import plan
from stack.charts import Chart
from stack.kinds import Flag

CHART_SECONDS = 900


class GatewayProviders(pulumi.ComponentResource):
    """What has to be on the cluster before anything can be routed: installed, or checked."""

    checked: Sequence[pulumi.Output[pulumi.Resource]]
    """What was there and fits: before that nothing of the stack is made."""

    def __init__(
        self, name: str, *, providers: plan.Providers, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("llm-d:components:GatewayProviders", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        there = [
            CrdBundle(f"{name}-{crds.name}", crds=crds, opts=child)
            for crds in providers.crds
            if providers.looks and crds.adopt
        ]
        self.checked = [
            *(one for bundle in there for one in bundle.checked),
            *(adopt(name, one, child) for one in providers.adopted if providers.looks),
        ]
        after = pulumi.ResourceOptions(parent=self, depends_on=[*self.checked])
        keep = pulumi.ResourceOptions.merge(
            after, pulumi.ResourceOptions(retain_on_delete=providers.keeps_definitions)
        )
        before: list[pulumi.Resource] = [
            *there,
            *(
                CrdBundle(f"{name}-{crds.name}", crds=crds, opts=keep)
                for crds in providers.crds
                if not crds.adopt
            ),
        ]
        others = told_if_there(
            f"{name}-namespaces", "`gateway.controlPlane: adopt` takes it, if it serves pools"
        )
        before += [
            k8s.core.v1.Namespace(
                f"{name}-{namespace}",
                metadata={"name": namespace},
                opts=pulumi.ResourceOptions.merge(after, others),
            )
            for namespace in dict.fromkeys(chart.namespace for chart in providers.charts)
        ]
        for chart in providers.charts:
            # One after the other: a control plane looks once for what the chart before it brings.
            before.append(install(name, chart, before, keep if chart.defines else after))
        self.register_outputs({"gateway": providers.gateway})


def install(
    name: str, chart: Chart, before: Sequence[pulumi.Resource], opts: pulumi.ResourceOptions
) -> k8s.helm.v3.Release:
    options = k8s.helm.v3.RepositoryOptsArgs(repo=chart.repository) if chart.repository else None
    return k8s.helm.v3.Release(
        f"{name}-{chart.name}",
        name=chart.name,
        namespace=chart.namespace,
        chart=chart.path or chart.chart,
        repository_opts=None if chart.path else options,
        version=None if chart.path else chart.version,
        values=dict(chart.values),
        timeout=CHART_SECONDS,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[*before])),
    )


def adopt(
    name: str, adopted: plan.GatewayClass, opts: pulumi.ResourceOptions
) -> pulumi.Output[pulumi.Resource]:
    """Read what is there; what cannot serve pools stops the update."""
    there = KubernetesObject(
        f"{name}-class",
        api_version=API,
        kind="GatewayClass",
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(id=adopted.name)),
    )
    checked = there.spec.apply(lambda spec: check_class(spec, adopted))
    if flag := adopted.flag:
        deployment = k8s.apps.v1.Deployment.get(
            f"{name}-control-plane", f"{flag.namespace}/{flag.deployment}", opts=opts
        )
        checked = checked.apply(lambda _: deployment.spec).apply(
            lambda spec: check_flag(spec and environment(spec), flag)
        )
    return checked.apply(lambda _: there)


def check_class(spec: Mapping[str, Any] | None, adopted: plan.GatewayClass) -> None:
    """RunError where there is no such class, or someone else's controller has it."""
    if spec is None:
        raise pulumi.RunError(
            f"GatewayClass `{adopted.name}` is not on the cluster: install {adopted.controller}, "
            "or `gateway.controlPlane: true` does"
        )
    if (found := spec.get("controllerName")) != adopted.controller:
        raise pulumi.RunError(
            f"GatewayClass `{adopted.name}` on the cluster is {found}'s, expected "
            f"{adopted.controller}'s: choose the `gateway.provider` that it is, or have the class "
            "removed"
        )


def environment(spec: k8s.apps.v1.outputs.DeploymentSpec) -> dict[str, str | None]:
    containers = spec.template.spec.containers if spec.template.spec else ()
    return {one.name: one.value for container in containers for one in container.env or ()}


def check_flag(found: Mapping[str, str | None] | None, flag: Flag) -> None:
    """RunError where the control plane does not know pools; `found` is None where it is not."""
    deployment = f"Deployment {flag.namespace}/{flag.deployment}"
    if found is None:
        raise pulumi.RunError(
            f"{deployment} is not on the cluster, expected with {flag.variable}={flag.value}: "
            "`gateway.controlPlane: true` installs it, and with `false` it may be anywhere"
        )
    if (said := found.get(flag.variable)) != flag.value:
        raise pulumi.RunError(
            f"{deployment} has {flag.variable}={said}, expected {flag.value}: without it "
            "InferencePools are refused; have it set, or `gateway.controlPlane: false` leaves it "
            "unchecked"
        )
