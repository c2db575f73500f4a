"""What each gateway provider is told, for every stack that may choose it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml
from definitions import unfit
from hypothesis import given, settings
from hypothesis import strategies as st
from recording import Deploy, Made
from test_bad_input import MODEL, planned, told

from components import gateways
from components.gateway import address, url
from components.gateway_providers import check_class, check_flag
from stack import plan as plans
from stack.crd_bundles import CERT_MANAGER, OPENSHIFT_ROUTE, CrdBundle
from stack.kinds import Flag, Offer, Provider
from stack.platforms import PLATFORMS
from stack.problems import StackError
from stack.releases import releases

pytestmark = pytest.mark.slow

HERE = {"kind": "existing", "context": "c"}
PROVIDERS = {name: kind for name, kind in gateways.kinds().items() if isinstance(kind, Provider)}
UNDEFINED_HERE = {"gatewayApi": False, "inferenceExtension": False}
"""Nothing of definitions: where they are not looked at, they are most of what there is to make."""
UNDEFINED = {"agentgateway.dev", "gateway.kgateway.dev", "GCPRoutingExtension"}
"""API groups and kinds whose definitions no registry of packages has."""
HAVING = {
    (provider, name)
    for name, release in releases().items()
    for provider in release.gateways
    # The version that v0.4 was tried with reads pools of v1alpha2 alone.
    if (provider, name) != ("kgateway", "v0.4")
}
"""Provider and release that go together."""
TWO: list[dict[str, Any]] = [
    {"name": "Qwen/Qwen3-0.6B", "aliases": [
        {"name": "chat", "targets": [
            {"model": "Qwen/Qwen3-0.6B", "weight": 9}, {"model": "Qwen/Qwen3-8B"}
        ]}
    ]},
    {"name": "Qwen/Qwen3-8B", "id": "large"},
]  # fmt: skip
EXTRAS: Mapping[Offer, Mapping[str, Any]] = {
    Offer.HOST: {"host": "llm.example.com"},
    Offer.TLS: {"host": "llm.example.com", "tls": {"secret": "cert", "issuer": "acme"}},
    Offer.API_KEYS: {"apiKeys": "keys"},
    Offer.JWT: {
        "jwt": {
            "issuer": "https://login.example.com",
            "jwksUri": "https://login.example.com/keys.json",
            "audiences": ["llm"],
        }
    },
    Offer.RATE_LIMIT: {"rateLimit": {"requests": 100}},
    Offer.TIMEOUT: {"timeout": "10m"},
    Offer.PORT: {"port": 8443},
}


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    monkeypatch.setenv("KUBECONFIG", "/nonexistent/kubeconfig")


def release_of(provider: str) -> str:
    """The newest that has the provider."""
    if PROVIDERS[provider].platform:
        return "v0.5"
    having = [name for name in sorted(releases()) if provider in releases()[name].gateways]
    return "current" if "current" in having else having[-1]


def asked(provider: str, **gateway: Any) -> dict[str, Any]:
    """A stack's blocks, on whatever the provider is to be had on."""
    return {
        "release": release_of(provider),
        "hardware": "cuda",
        "cluster": HERE | {"platform": PROVIDERS[provider].platform or "kubernetes"},
        "gateway": {"provider": provider, "crds": UNDEFINED_HERE, **gateway},
    }


def made_of(deploy: Deploy, blocks: Mapping[str, Any]) -> list[Made]:
    return deploy("embedded", config={f"llm-d:{key}": one for key, one in blocks.items()})


def made_by(deploy: Deploy, provider: str, models: Any = None, **gateway: Any) -> list[Made]:
    return made_of(deploy, asked(provider, **gateway) | {"models": models or [MODEL]})


def named(made: list[Made], kind: str) -> list[dict[str, Any]]:
    return [one.inputs for one in made if one.is_object and one.kind == kind]


def offers(provider: str) -> Iterator[Offer]:
    yield from (offer for offer in EXTRAS if offer not in PROVIDERS[provider].lacks)


def several(provider: str, release: str = "v0.5") -> list[dict[str, Any]]:
    if Offer.SEVERAL in PROVIDERS[provider].lacks:
        return [MODEL]
    # Its endpoint picker rewrites no names.
    return [one | {"aliases": []} for one in TWO] if release == "v0.4" else TWO


def is_custom(group: str) -> bool:
    """Whether a definition brings the API, and not Kubernetes."""
    return "." in group and group not in {
        "apiextensions.k8s.io", "policy", "rbac.authorization.k8s.io"
    }  # fmt: skip


# What is made


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_preview_without_a_cluster_lists_the_gateway_and_its_route_or_says_why_not(
    provider: str, platform: str, deploy: Deploy
) -> None:
    kind = PROVIDERS[provider]
    blocks = asked(provider) | {"cluster": HERE | {"platform": platform}, "models": [MODEL]}
    if kind.platform not in {None, platform}:
        with pytest.raises(Exception, match=f"comes with {kind.platform}"):
            made_of(deploy, blocks)
        return

    made = made_of(deploy, blocks)

    [gateway], [route], [pool] = (
        named(made, it) for it in ("Gateway", "HTTPRoute", "InferencePool")
    )
    [rule] = route["spec"]["rules"]
    assert route["spec"]["parentRefs"][0]["name"] == gateway["metadata"]["name"]
    assert rule["backendRefs"][0]["name"] == pool["metadata"]["name"]
    for one in (gateway, route, pool):
        assert "pulumi.com/waitFor" in one["metadata"]["annotations"]


@pytest.mark.parametrize("release", releases())
@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_object_fits_its_definition_but_kgateways_agentgateways_and_gkes_routing_extension(
    provider: str, release: str, deploy: Deploy
) -> None:
    kind = PROVIDERS[provider]
    pinned = releases()[release]
    if not kind.platform and (provider, release) not in HAVING:
        return  # refused, as another test shows
    extras = {key: value for offer in offers(provider) for key, value in EXTRAS[offer].items()}
    blocks = asked(provider, **extras) | {"release": release, "models": several(provider, release)}
    made = made_of(deploy, blocks)
    bundles: list[CrdBundle] = [
        *pinned.crds.values(), *kind.definitions, CERT_MANAGER, OPENSHIFT_ROUTE
    ]  # fmt: skip

    looked_at = [
        one
        for one in made
        if one.is_object
        and is_custom(group := str(one.inputs.get("apiVersion", "")).partition("/")[0])
        and not {group, one.kind} & UNDEFINED
    ]
    assert {one.kind for one in looked_at} >= {"Gateway", "HTTPRoute", "InferencePool"}
    assert [problem for one in looked_at for problem in unfit(one.inputs, *bundles)] == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_everything_is_put_into_the_stacks_namespace_or_belongs_to_the_whole_cluster(
    provider: str, deploy: Deploy
) -> None:
    extras = {key: value for offer in offers(provider) for key, value in EXTRAS[offer].items()}
    made = made_by(deploy, provider, several(provider), **extras)

    outside = {
        (one.kind, one.inputs["metadata"].get("namespace"))
        for one in made
        if "metadata" in one.inputs
        and one.inputs["metadata"].get("namespace") != "llm-d-inference-scheduler"
    }

    assert {kind for kind, _ in outside} <= {
        "Namespace", "CustomResourceDefinition", "GatewayClass", "ClusterRole", "ClusterRoleBinding"
    }  # fmt: skip
    assert {namespace for _, namespace in outside} <= {None}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_nothing_is_routed_to_a_pool_before_its_endpoint_picker_is_there(
    provider: str, deploy: Deploy
) -> None:
    made = made_by(deploy, provider)
    [picker] = [one.urn for one in made if one.name == "pool-service"]
    [route] = [one for one in made if one.kind == "HTTPRoute"]
    [pool] = [one for one in made if one.kind == "InferencePool" and one.is_object]

    assert picker in route.request.dependencies
    # It is waited for until a route leads to it: the other way round neither would ever be there.
    assert pool.urn not in route.request.dependencies
    deployment = next(one for one in made if one.name == "pool-endpoint-picker")
    assert pool.urn not in deployment.request.dependencies


@pytest.mark.parametrize(
    "provider", [name for name, kind in PROVIDERS.items() if Offer.SEVERAL not in kind.lacks]
)
def test_models_are_told_apart_by_what_the_request_asks_for(provider: str, deploy: Deploy) -> None:
    made = made_by(deploy, provider, TWO)

    rules = [rule for route in named(made, "HTTPRoute") for rule in route["spec"]["rules"]]
    shares = {
        match["headers"][0]["value"]: {one["name"]: one["weight"] for one in rule["backendRefs"]}
        for rule in rules
        for match in rule["matches"]
        if "headers" in match
    }
    small, large = "gaie-inference-scheduling", "gaie-inference-scheduling-large"
    assert shares == {
        "Qwen/Qwen3-0.6B": {small: 1},
        "chat": {small: 9, large: 1},
        "Qwen/Qwen3-8B": {large: 1},
    }
    readers = [one for one in made if one.kind in {"BodyReader", "AgentgatewayPolicy"}]
    assert readers


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("said", "seconds"), [(None, None), ("10m", 600)])
def test_an_answer_takes_as_long_as_the_stack_file_says_or_as_the_provider_lets_it(
    provider: str, said: str | None, seconds: int | None, deploy: Deploy
) -> None:
    made = made_by(deploy, provider, **({"timeout": said} if said else {}))

    [rule] = named(made, "HTTPRoute")[0]["spec"]["rules"]
    limits = {int(limit[:-1]) for limit in rule.get("timeouts", {}).values()} | {
        policy["spec"]["default"]["timeoutSec"] for policy in named(made, "GCPBackendPolicy")
    }
    if seconds:
        assert limits == {seconds}
    else:
        assert limits in ({0}, {24 * 3600})
    assert ("timeouts" in rule) == (provider != "gke")


def test_the_pools_port_is_said_to_providers_that_ask_for_it(deploy: Deploy) -> None:
    ports = {
        provider: named(made_by(deploy, provider), "HTTPRoute")[0]["spec"]["rules"][0][
            "backendRefs"
        ][0].get("port")
        for provider in PROVIDERS
    }

    assert ports == {provider: None if provider == "gke" else 8000 for provider in PROVIDERS}


@pytest.mark.parametrize("kind", ["ClusterIP", "LoadBalancer"])
def test_istios_proxies_run_as_the_stack_file_says(kind: str, deploy: Deploy) -> None:
    made = made_by(
        deploy,
        "istio",
        service=kind,
        replicas=3,
        resources={"requests": {"cpu": "2"}, "limits": {"memory": "4Gi"}},
    )

    [gateway] = named(made, "Gateway")
    reference = gateway["spec"]["infrastructure"]["parametersRef"]
    overlays = next(
        one["data"]
        for one in named(made, "ConfigMap")
        if one["metadata"]["name"] == reference["name"] and "service" in one["data"]
    )
    deployment = yaml.safe_load(overlays["deployment"])["spec"]
    pod = deployment["template"]["spec"]
    [proxy] = pod["containers"]
    assert pod["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert yaml.safe_load(overlays["service"]) == {"spec": {"type": kind}}
    assert deployment["replicas"] == 3
    assert proxy == {
        "name": "istio-proxy",
        "resources": {
            "requests": {"cpu": "2", "memory": "128Mi"},
            "limits": {"memory": "4Gi"},
        },
    }


@pytest.mark.parametrize("stack", ["minikube", "digitalocean", "x86-cpu", "openshift", "xpu"])
def test_wherever_istio_serves_it_is_told_that_endpoint_pickers_sign_their_own_certificates(
    stack: str, deploy: Deploy
) -> None:
    made = deploy(stack)

    [rule] = named(made, "DestinationRule")
    [picker] = [one.inputs["metadata"] for one in made if one.name == "pool-service"]
    assert rule["spec"]["host"] == f"{picker['name']}.{picker['namespace']}.svc.cluster.local"
    assert rule["spec"]["trafficPolicy"]["tls"] == {"mode": "SIMPLE", "insecureSkipVerify": True}


def test_openshift_makes_it_public_by_a_route_that_does_not_cut_answers_off(deploy: Deploy) -> None:
    [route] = named(deploy("openshift"), "Route")

    assert route["spec"]["to"]["name"] == "infra-inference-scheduling-inference-gateway-istio"
    assert route["metadata"]["annotations"] == {"haproxy.router.openshift.io/timeout": "24h"}


def test_without_waiting_nothing_is_waited_for(deploy: Deploy) -> None:
    made = made_by(deploy, "istio", wait=False)

    for kind in ("Gateway", "HTTPRoute", "InferencePool"):
        [one] = named(made, kind)
        assert "annotations" not in one["metadata"]


def test_where_no_load_balancer_is_sure_to_come_no_address_is_waited_for(deploy: Deploy) -> None:
    waits: dict[str, str] = {
        platform: named(
            made_of(
                deploy,
                asked("istio", service="LoadBalancer")
                | {"cluster": HERE | {"platform": platform}, "models": [MODEL]},
            ),
            "Gateway",
        )[0]["metadata"]["annotations"]["pulumi.com/waitFor"]
        for platform in ("kubernetes", "digitalocean")
    }

    assert waits["kubernetes"] == '["condition=Accepted"]'
    assert json.loads(waits["digitalocean"])[:2] == ["condition=Accepted", "condition=Programmed"]


# Who installs what


@pytest.mark.parametrize(
    ("cluster", "said", "adopted"),
    [
        ({}, {}, {"gatewayApi": False, "inferenceExtension": False}),
        ({"platform": "gke"}, {}, {"gatewayApi": True, "inferenceExtension": True}),
        (
            {"platform": "gke", "version": "1.33.5-gke.1080000"},
            {},
            {"gatewayApi": True, "inferenceExtension": False},
        ),
        (
            {"platform": "gke", "version": "1.34.0-gke.1626000"},
            {},
            {"gatewayApi": True, "inferenceExtension": True},
        ),
        ({"platform": "openshift"}, {}, {"gatewayApi": True, "inferenceExtension": False}),
        ({}, {"gatewayApi": "adopt"}, {"gatewayApi": True, "inferenceExtension": False}),
        ({"platform": "gke"}, {"gatewayApi": False}, {"inferenceExtension": True}),
    ],
)
def test_definitions_are_installed_unless_the_cluster_brings_them_along(
    cluster: dict[str, str], said: dict[str, Any], adopted: dict[str, bool]
) -> None:
    made = planned(
        hardware="cuda",
        cluster=HERE | cluster,
        gateway={"provider": "istio", "crds": said},
    )

    assert {one.name: one.adopt for one in made.providers.crds} == adopted


def test_definitions_stay_where_others_may_use_them_and_go_with_the_stacks_own_cluster(
    deploy: Deploy,
) -> None:
    def kept(made: list[Made]) -> set[bool]:
        # The engine hands it on to what is in them.
        return {one.request.retainOnDelete for one in made if one.kind == "CrdBundle"}

    assert kept(deploy("x86-cpu")) == {True}
    assert kept(deploy("minikube")) == {False}
    assert kept(deploy("embedded")) == {False}


@pytest.mark.parametrize(
    "provider", [name for name, kind in PROVIDERS.items() if not kind.platform]
)
@pytest.mark.parametrize("said", [None, "adopt", False])
def test_a_control_plane_is_installed_checked_or_left_alone(
    provider: str, said: Any, deploy: Deploy
) -> None:
    made = made_by(deploy, provider, **({} if said is None else {"controlPlane": said}))

    releases = [one for one in made if one.type == "kubernetes:helm.sh/v3:Release"]
    read = [one for one in made if one.kind == "GatewayClass" and one.request.importId == ""]
    assert bool(releases) == (said is None)
    assert read == [] or provider == "envoy-ai-gateway"
    for one in releases:
        assert one.inputs["version"].lstrip("v")[0].isdigit()


POOLS = Flag(
    namespace="istio-system",
    deployment="istiod",
    variable="ENABLE_GATEWAY_API_INFERENCE_EXTENSION",
    value="true",
)
ISTIO = plans.GatewayClass(name="istio", controller="istio.io/gateway-controller", flag=POOLS)


def test_a_control_plane_that_serves_pools_is_adopted() -> None:
    check_class({"controllerName": "istio.io/gateway-controller"}, ISTIO)
    check_flag({"ENABLE_GATEWAY_API_INFERENCE_EXTENSION": "true"}, POOLS)


def test_a_class_of_another_controller_is_not_adopted() -> None:
    with pytest.raises(
        Exception, match=r"`istio` on the cluster is example\.com/other's, expected"
    ):
        check_class({"controllerName": "example.com/other"}, ISTIO)


def test_a_class_that_is_not_there_is_not_adopted() -> None:
    with pytest.raises(Exception, match=r"GatewayClass `istio` is not on the cluster: install"):
        check_class(None, ISTIO)


def test_a_control_plane_that_is_elsewhere_is_not_adopted_unseen() -> None:
    with pytest.raises(Exception, match=r"Deployment istio-system/istiod is not on the cluster"):
        check_flag(None, POOLS)


@pytest.mark.parametrize("found", [{}, {"ENABLE_GATEWAY_API_INFERENCE_EXTENSION": "false"}])
def test_an_istiod_that_does_not_know_pools_is_not_adopted(found: dict[str, str]) -> None:
    with pytest.raises(Exception, match=r"istio-system/istiod has ENABLE_.*, expected true"):
        check_flag(found, POOLS)


@pytest.mark.parametrize(("said", "makes"), [(None, True), ("adopt", False), (False, True)])
def test_a_class_that_no_control_plane_makes_is_the_stacks_unless_it_is_adopted(
    said: Any,
    makes: bool,  # noqa: FBT001 - a case
) -> None:
    gateway = asked("envoy-ai-gateway", **({} if said is None else {"controlPlane": said}))

    entrance = planned(**gateway).entrance

    assert isinstance(entrance, plans.Gateway)
    assert bool(entrance.makes_class) == makes


# What is refused


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"cluster": HERE, "gateway": {"provider": "gke"}},
            (
                "`gateway.provider` is `gke`, expected one that can be installed: this one comes "
                "with "
                "gke; if the cluster is one, say `cluster.platform: gke`"
            ),
        ),
        (
            {"release": "v0.4", "gateway": {"provider": "agentgateway"}, "cluster": HERE},
            (
                "`gateway.provider` is `agentgateway`, expected one of standalone, istio, "
                "kgateway, or "
                "one that comes with the cluster: release `v0.4` has no version of it"
            ),
        ),
        (
            {"release": "v0.4", "gateway": {"provider": "kgateway"}, "cluster": HERE},
            (
                "`gateway.provider` is `kgateway`, expected `standalone` or `istio` with `v0.4`: "
                "the version that the release was tried with, 2.0.4, reads pools of v1alpha2 "
                "alone; release v0.5 has one that reads v1"
            ),
        ),
        (
            {"hardware": "cpu-arm64", "gateway": {"provider": "kgateway"}, "cluster": HERE},
            (
                "`gateway.provider` is `kgateway`, expected `standalone`, `istio` or "
                "`agentgateway` "
                "with `cpu-arm64`: its proxy's image says arm64 and has a program for amd64"
            ),
        ),
        (
            {"gateway": {"provider": "kgateway"}},
            (
                "`gateway.provider` is `kgateway`, expected one that runs on a cluster of this "
                "machine: its controller is published as an image only; `make rehearse` tries it "
                "without, and `gateway.controlPlane: false` deploys it so"
            ),
        ),
        (
            {"cluster": HERE, "gateway": {"provider": "istio", "apiKeys": "keys"}},
            (
                "`gateway.apiKeys` is `keys`, expected left out with gateway `istio`: Istio knows "
                "no "
                "keys; it takes tokens, by `gateway.jwt`"
            ),
        ),
        (
            {"gateway": {"timeout": "1h"}},
            (
                "`gateway.timeout` is `1h`, expected left out with gateway `standalone`: an answer "
                "takes as long as it takes"
            ),
        ),
        (
            {
                "cluster": HERE | {"platform": "gke"},
                "gateway": {"provider": "gke", "service": "NodePort"},
            },
            (
                "`gateway.service` is `NodePort`, expected one of ClusterIP, LoadBalancer with "
                "gateway "
                "`gke`"
            ),
        ),
        (
            {
                "cluster": HERE | {"platform": "openshift"},
                "gateway": {"provider": "istio", "crds": {"gatewayApi": True}},
            },
            (
                "`gateway.crds.gatewayApi` is `true`, expected adopt, or left out: the cluster "
                "brings "
                "these definitions along and keeps them"
            ),
        ),
        (
            {
                "cluster": HERE,
                "gateway": {"provider": "istio", "tls": {"secret": "s", "issuer": "i"}},
            },
            "`gateway.tls.issuer` is `i`, expected `gateway.host` beside it: for whom?",
        ),
        (
            {"cluster": HERE, "gateway": {"provider": "kgateway"}, "models": TWO},
            (
                "`models` is `2 of them`, expected one with gateway `kgateway`: up to 2.1 it "
                "chooses a "
                "route before it reads a body; `istio`, `agentgateway` and `standalone` tell "
                "models "
                "apart"
            ),
        ),
    ],
)
def test_what_a_provider_cannot_serve_is_refused_with_the_reason(
    changes: dict[str, Any], problem: str
) -> None:
    assert problem in told(**changes)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_a_provider_lacks_is_refused_with_its_reason(provider: str) -> None:
    kind = PROVIDERS[provider]
    for offer in EXTRAS.keys() & kind.lacks.keys():
        [problem] = told(**asked(provider, **EXTRAS[offer]))
        assert problem.startswith(f"`{offer}` is ")
        assert problem.endswith(kind.lacks[offer])


NAMES = st.from_regex(r"[a-z][-a-z0-9]{0,60}[a-z0-9]", fullmatch=True)


@settings(max_examples=60, deadline=None)  # a machine may have other things to do
@given(provider=st.sampled_from(sorted(PROVIDERS)), postfix=NAMES)
def test_names_that_providers_derive_fit_or_are_refused_before_anything_is_made(
    provider: str, postfix: str
) -> None:
    kind = PROVIDERS[provider]
    try:
        made = planned(**asked(provider), names={"postfix": postfix})
    except StackError as error:
        [problem] = error.problems
        assert problem.startswith("`names.postfix` is ")
        return
    assert isinstance(made.entrance, plans.Gateway)
    for suffix in (kind.suffix, "-proxies"):
        assert len(f"{made.entrance.name}{suffix}") <= 63
    assert len(made.models[0].pool.name) <= 40
    if made.entrance.service:
        assert len(made.entrance.service[1]) <= 63


@given(host=st.from_regex(r"[a-z]{1,30}(\.[a-z]{1,30}){1,4}", fullmatch=True))
def test_a_host_fits_a_certificate_or_is_refused(host: str) -> None:
    gateway = {"provider": "istio", "host": host}
    if len(host) <= 64:
        assert planned(hardware="cuda", cluster=HERE, gateway=gateway)
    else:
        [problem] = told(hardware="cuda", cluster=HERE, gateway=gateway)
        assert problem.startswith("`gateway.host` is ")


# Where it answers


@pytest.mark.parametrize(
    ("addresses", "host", "secure", "there"),
    [
        ([], None, False, None),
        ([{"type": "IPAddress", "value": "203.0.113.7"}], None, False, "http://203.0.113.7"),
        ([{"type": "IPAddress", "value": "2001:db8::7"}], None, False, "http://[2001:db8::7]"),
        ([{"type": "Hostname", "value": "lb.example.com"}], None, False, "http://lb.example.com"),
        ([{"type": "Hostname", "value": "g-istio.llm-d.svc.cluster.local"}], None, False, None),
        ([{"value": "203.0.113.7"}], "llm.example.com", True, "https://llm.example.com"),
    ],
)
def test_the_url_is_where_requests_are_taken_from_outside(
    addresses: list[dict[str, str]],
    host: str | None,
    secure: bool,  # noqa: FBT001 - a case
    there: str | None,
) -> None:
    tls = {"tls": {"secret": "cert"}} if secure else {}
    made = planned(
        hardware="cuda",
        cluster=HERE,
        gateway={"provider": "istio", **tls, **({"host": host} if host else {})},
    )
    assert isinstance(made.entrance, plans.Gateway)

    assert url(address({"addresses": addresses}), made.entrance) == there


def test_more_aliases_than_a_route_has_rules_are_refused() -> None:
    shared = [
        {"name": f"chat-{at}", "targets": [
            {"model": "Qwen/Qwen3-0.6B", "weight": at + 1}, {"model": "Qwen/Qwen3-8B", "weight": 99}
        ]}
        for at in range(16)
    ]  # fmt: skip
    small, large = TWO

    [problem] = told(**asked("istio"), models=[small | {"aliases": shared}, large])

    assert problem == (
        "`models[0].aliases` is `16 of them`, expected fewer: with the model's own names they take "
        "17 rules, and a route has at most 16"
    )


def test_the_url_has_a_port_that_is_not_the_schemes_own() -> None:
    made = planned(
        hardware="cuda", cluster=HERE, gateway={"provider": "istio", "port": 443}
    ).entrance
    assert isinstance(made, plans.Gateway)

    assert url("203.0.113.7", made) == "http://203.0.113.7:443"
    assert url("2001:db8::7", replace(made, port=8080)) == "http://[2001:db8::7]:8080"
