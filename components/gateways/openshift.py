"""OpenShift's own Gateways, since 4.19: its Ingress Operator runs an Istio for each class."""

from components.gateways import istio
from stack.crd_bundles import ISTIO_1_29
from stack.kinds import Asked, ControlPlane, Entrance, Offer, Provider
from stack.platforms import Platform

CLASS = "openshift-default"


def control_plane(_version: str, _platform: Platform) -> ControlPlane:
    return ControlPlane(controller="openshift.io/gateway-controller/v1")


def entrance(asked: Asked) -> Entrance:
    return istio.entrance(asked, CLASS)


KIND = Provider(
    crds=istio.KIND.crds,
    lacks={
        **istio.KIND.lacks,
        Offer.CONTROL_PLANE: "the cluster's Ingress Operator runs it",
    },
    control_plane=control_plane,
    entrance=entrance,
    pool=istio.pool,
    asks_reader=True,
    metrics=istio.KIND.metrics,
    definitions=(ISTIO_1_29,),
    platform="openshift",
    suffix=f"-{CLASS}",
    simulated="the Ingress Operator is part of OpenShift",
)
