"""Bundles of custom resource definitions that releases choose from: data, pinned byte for byte."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath


@dataclass(frozen=True, kw_only=True)
class CrdFile:
    path: str
    """Inside the bundle's module, and inside its repository at the tag."""
    sha256: str
    holds: tuple[str, ...] = ()
    """Names of its definitions; a file of one is named after it, `<group>_<plural>.yaml`."""

    @property
    def definitions(self) -> tuple[str, ...]:
        """Names, as the cluster has them: `<plural>.<group>`."""
        if self.holds:
            return self.holds
        group, plural = PurePosixPath(self.path).stem.split("_")
        return (f"{plural}.{group}",)


@dataclass(frozen=True, kw_only=True)
class CrdBundle:
    """Custom resource definitions of one project at one version."""

    module: str
    """Go module that carries them, byte for byte as the repository does at the tag."""
    repository: str
    version: str
    annotation: str | None
    """Tells on a cluster which version is there; None where the project's own files do not."""
    files: tuple[CrdFile, ...]
    refuses: Mapping[str, str] = field(default_factory=dict[str, str])
    """Version that a cluster may have -> why a release with this one does not work with it."""


def _each(path: str, **sha256s: str) -> tuple[CrdFile, ...]:
    """Files that differ by the plural in their names."""
    return tuple(
        CrdFile(path=path.format(plural), sha256=sha256) for plural, sha256 in sha256s.items()
    )


def _gateway_api(version: str, **files: str) -> CrdBundle:
    """`files` are the standard channel's, by plural; of them the definitions alone.

    From 1.5 on the channel has an admission policy too, which guards every definition on the
    cluster, whoever installed it: that is for the cluster's owner to want.
    """
    return CrdBundle(
        module="sigs.k8s.io/gateway-api",
        repository="kubernetes-sigs/gateway-api",
        version=version,
        annotation="gateway.networking.k8s.io/bundle-version",
        files=_each("config/crd/standard/gateway.networking.k8s.io_{}.yaml", **files),
    )


NO_REWRITES: Mapping[str, str] = {
    "v1.2.0": "the release's endpoint picker watches InferenceModelRewrite, which came with "
    "v1.3.0, and crash-loops without it"
}


def _inference_extension(
    version: str, pools: str, refuses: Mapping[str, str] | None = None, **files: str
) -> CrdBundle:
    """`pools` is InferencePool's file; the others are by plural.

    Without InferencePool v1alpha2, its predecessor: where both are there, some gateways take the
    old one and answer 503.
    """
    return CrdBundle(
        module="sigs.k8s.io/gateway-api-inference-extension",
        repository="kubernetes-sigs/gateway-api-inference-extension",
        version=version,
        annotation="inference.networking.k8s.io/bundle-version",
        files=(
            *_each("config/crd/bases/inference.networking.k8s.io_{}.yaml", inferencepools=pools),
            *_each("config/crd/bases/inference.networking.x-k8s.io_{}.yaml", **files),
        ),
        refuses=refuses or {},
    )


GATEWAY_API_1_3 = _gateway_api(
    "v1.3.0",
    gatewayclasses="7c8ee2c1878d9dcc6ba106181e3d14d7eaa520ec070233d62f3aa0d674d19450",
    gateways="c949e7c3951227b92a582817a7a660558ce0fb94c081da264b4e2bbe4a1e5387",
    grpcroutes="5867279c3cfd77377fe7e9255b22751f17592242b9b5e7485c74b13b268d13c5",
    httproutes="a4ecf600c7e0bfd3cdb24e6411938d9b330117a26675f303cc6d9a407cb257d1",
    referencegrants="7587b2e7e5b1b9a26717b3ef8142f64e6600637eadf481a6bd0031740644b495",
)

GATEWAY_API_1_4 = _gateway_api(
    "v1.4.0",
    backendtlspolicies="59d7cf1d99e1337e6d6a19c6306172d8f7ff2d9f920142a88ef9ba597d6d97bb",
    gatewayclasses="2f61e8c8c2289843a61d7b1bba31f8a5a46dbf20a1c54359209d638d3bd899c9",
    gateways="b0e29566bbe07fbe4ede55c2eff73865bd566f3063736ec9046224d7e20d6f88",
    grpcroutes="dc114a794b2bf2565489c3182d4b173590ea01348f986daf42c7bc0505521d26",
    httproutes="c2539410dec72b793ef840f484c19d13b48210074ec801b730e9fce2c5fc825c",
    referencegrants="3a59dcc699c2d01b19f13233943597f69de25420495ab3d4af7de7997bd807cc",
)

GATEWAY_API_1_5 = _gateway_api(
    "v1.5.1",
    backendtlspolicies="9b8818172153d72f9c84032db0be0a4a657277d13f5bbc22226ad9481ff57971",
    gatewayclasses="234ad4b2757ee1b3596a4187bb98df071c5bbdd9e1806f692f2dbf8387e6bef4",
    gateways="7416e8300eb4d8c0a71a23445609075bbacbe8bc80104584b019cfe1ebe77c31",
    grpcroutes="979f4125d44d3df24659ba00d1d04ff8e76c45423193e8aae82dd5810d7827df",
    httproutes="682203b109baecb18d38073a578f7bc2c17d22fe9b0c27bf030850abe014c370",
    listenersets="9221468d19fdfbb0026113b1ef64abac64f27607975aff2410361b8b38f0e0bb",
    referencegrants="a8902c486eed0b7339f5bb8a476ccaba0918eb038048402bdc01cbb69b0fbb51",
    tlsroutes="818e4827c469a40e2527a2851591e656782c50fea8dd44812c900d219da09345",
)

INFERENCE_EXTENSION_1_2 = _inference_extension(
    "v1.2.0",
    pools="87d5eb89eabd776a1936b0df8e6c144e086d743374bd91c6b865cfb28dbd6b60",
    inferenceobjectives="499f80fe3b7d9a8be54e454f1d9e7defb90adbf679167039e7f6df611f3c97f5",
    inferencepoolimports="3ed89ad060d444b4e8c0ae634ac033124f913ef8452bf90a4220602d045245aa",
)

INFERENCE_EXTENSION_1_3 = _inference_extension(
    "v1.3.0",
    pools="c400827662b46cfc58ec62b8bc779906c878e316750c0b45cb0e82210d063370",
    refuses=NO_REWRITES,
    inferencemodelrewrites="a9347aac8f9b3a651f5fcf4e3c04f2c67dfb120f9cb7c1108af6a995301bbc5a",
    inferenceobjectives="34f5bf93825a42c5c6c3ddf7d0119b77267755343d49b5e3c06699121f8876d2",
    inferencepoolimports="8c3e275e21a000cb4ce5e0b8be2d20b11eb1d3767becc8de5efacdf5116bcb29",
)

INFERENCE_EXTENSION_1_4 = _inference_extension(
    "v1.4.0",
    pools="e4dd02d8e17d84299f2994f570785dd22274dfeab26f52f6b13b2ffd5909b4c8",
    refuses=NO_REWRITES,
    inferencemodelrewrites="c655670ee4b0d69ad3a359239dd5430680fa049340563708d1166ac21d6359fd",
    inferenceobjectives="cd303b60211416f46736520432b44ea10896ef90c6f911dc91879b4e97e84e45",
    inferencepoolimports="5f06c0afad00c999f1bc7a3cedd8121e4b9422789c71ef629f720bcfcf2efad2",
)

INFERENCE_EXTENSION_1_5 = _inference_extension(
    "v1.5.0",
    pools="0bc3ddd94db6f588a5cecc627c39e3d12b4343d51c48d47ffa68c50fa73c290c",
    refuses=NO_REWRITES,
    inferencemodelrewrites="887abbc047e7e36633f2f28ee47dc59cae5293ebef110e57cc286ab4605d8a97",
    inferenceobjectives="e06a3e13e91f7a3a71a9d4146fb56076a247f43ad72b6401f8039ccf9cfa3700",
    inferencepoolimports="45b32d60ca88057723f1e67bc732cf13745bea0fe0b755ccedec88c58e1228cc",
)


def _istio(version: str, sha256: str) -> CrdBundle:
    return CrdBundle(
        module="istio.io/api",
        repository="istio/api",
        version=version,
        annotation=None,
        files=(
            CrdFile(
                path="kubernetes/customresourcedefinitions.gen.yaml",
                sha256=sha256,
                holds=(
                    "wasmplugins.extensions.istio.io",
                    "destinationrules.networking.istio.io",
                    "envoyfilters.networking.istio.io",
                    "gateways.networking.istio.io",
                    "proxyconfigs.networking.istio.io",
                    "serviceentries.networking.istio.io",
                    "sidecars.networking.istio.io",
                    "virtualservices.networking.istio.io",
                    "workloadentries.networking.istio.io",
                    "workloadgroups.networking.istio.io",
                    "authorizationpolicies.security.istio.io",
                    "peerauthentications.security.istio.io",
                    "requestauthentications.security.istio.io",
                    "telemetries.telemetry.istio.io",
                ),
            ),
        ),
    )


ISTIO_1_28 = _istio("v1.28.1", "9b6971fdad8a2d9148d88e051407376f4a806f13d195493290ad960d329d4244")
"""The chart `base` of that version installs the same."""

ISTIO_1_29 = _istio("v1.29.2", "126c195eaa38471f70e482f25a4e033fafeff01ff524a86e0a8de22dfb46db2f")
"""Version 1.29.1 has the same file."""

ENVOY_GATEWAY_1_8 = CrdBundle(
    module="github.com/envoyproxy/gateway",
    repository="envoyproxy/gateway",
    version="v1.8.3",
    annotation=None,
    files=_each(
        "charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_{}.yaml",
        backends="456cbad5d7efd20e4e1bcbe00caea177f711b66c28e96dd75f8507c53ab3eea6",
        backendtrafficpolicies="3b285efcb7d8f9c292f386528d83a61bd719d992a67f9c48a848353f10655e66",
        clienttrafficpolicies="5322c533fd33282cce6eba9405331477872a06fafebaac20026bb6d08ff4a291",
        envoyextensionpolicies="8370ddaf25e0cdcf248aba4672c3aaad071322bc55d0f543a4f0c6dd7a6e5254",
        envoypatchpolicies="8e9110c32b414ea5c43a85e272dc2dee8917ed0bfa36a9a2b72fde1f3fba6083",
        envoyproxies="a1efb63b00659fe8dae385236deb20a29619b5537a9552b60940dc6425924a2e",
        httproutefilters="ebba11783da910e78829941deeb3c6701ba95b4cddb9f595382c71793546efca",
        securitypolicies="f156487aeb871a5f946d10153de0676b1e69a2b42be7a1259e2619a75adc4951",
    ),
)
"""Its own; its chart brings Gateway API's experimental channel beside them.

The API server refuses every rate limit as 1.8.0 and 1.8.1 define it (envoyproxy/gateway#9186).
"""

GKE_GATEWAY = CrdBundle(
    module="github.com/GoogleCloudPlatform/gke-gateway-api",
    repository="GoogleCloudPlatform/gke-gateway-api",
    version="v1.3.0",
    annotation=None,
    files=_each(
        "config/crd/networking.gke.io_{}.yaml",
        gcpbackendpolicies="7e064805e55773d1ae204a8578ec27c935e9dcc6c25610b71cc71ad81a993fa4",
        gcpgatewaypolicies="36156849b6abf90bf449fb0ebcb5c6186988d9b2c99a3857ee8bfa69fd215a6e",
        healthcheckpolicies="84ab87aa2728506e77c8069599ae1d814d4686a930ed4791e0aa43a8d8dd3356",
    ),
)
"""GKE has them, and does not say which version: for clusters that stand in for it."""

OPENSHIFT_ROUTE = CrdBundle(
    module="github.com/openshift/api",
    repository="openshift/api",
    version="v0.0.0-20260501191448-a49973eaef53",
    annotation=None,
    files=(
        CrdFile(
            path="route/v1/zz_generated.crd-manifests/routes.crd.yaml",
            sha256="d35625a8448d4cdc0768a3860dc9b92af946026a699024faf9e1d4918e42c647",
            holds=("routes.route.openshift.io",),
        ),
    ),
)
"""OpenShift serves it from an API server of its own: for clusters that stand in for it."""

KEDA = CrdBundle(
    module="github.com/kedacore/keda/v2",
    repository="kedacore/keda",
    version="v2.21.0",
    annotation=None,
    files=_each(
        "config/crd/bases/keda.sh_{}.yaml",
        scaledobjects="af35555862a83933b074af14ad439c4b4ceabaf4daa3e9338e9b23e36d308d80",
    ),
)
"""Whoever keeps the cluster installs it: for clusters that stand in for theirs."""

CERT_MANAGER = CrdBundle(
    module="github.com/cert-manager/cert-manager",
    repository="cert-manager/cert-manager",
    version="v1.20.0",
    annotation=None,
    files=_each(
        "deploy/crds/cert-manager.io_{}.yaml",
        certificates="4373b354661730a1c6ae766ee2e524d6fae6778a219aa397e5bf0256bc991ee6",
        clusterissuers="cc77b61d2d8fed8c4a52c1fa346df4eaef5bf7d0f66edada0008efd7632d9f9e",
        issuers="6c90266b7aa958900ada75960c22425d0c47f3d4048fc92abac6f87e6b0e2c7b",
    ),
)
"""Whoever keeps the cluster installs it: for clusters that stand in for theirs."""
