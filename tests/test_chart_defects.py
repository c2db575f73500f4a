"""The nineteen defects that the official charts and guides were found to have, looked for in ours.

Each check is of rendered objects, whoever rendered them, and tells what it finds. It finds nothing
in what this program makes; it finds the defect in the piece of the charts' output that has it,
which is kept here in its smallest form, and in the whole of that output where it is at hand.
"""

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml
from parity.guides import guides, rendered
from parity.view import Object
from recording import ROOT, STACKS, TOKEN, Deploy, Made
from test_bad_input import planned, told

from stack import capacity, quantity
from stack.charts import Chart
from stack.checks import is_pinned
from stack.crd_bundles import INFERENCE_EXTENSION_1_2
from stack.hardware.xpu import RENDER
from stack.platforms import PLATFORMS
from stack.refusals import REFUSALS
from stack.releases import releases

pytestmark = pytest.mark.slow

Objects: TypeAlias = Sequence[Object]
Faults: TypeAlias = Iterator[str]

QWEN = {"name": "Qwen/Qwen3-0.6B", "replicas": 2}
MONITORED = {"prometheus": "operator"}
SERVER = r"vllm|modelserver"
"""What the charts call a model server's container, and this program too."""


OTHER = {"kind": "existing", "context": "other"}
"""A cluster that is not the stack's."""
UNDEFINED = {"gatewayApi": False, "inferenceExtension": False}
"""Nothing of definitions: where they are not looked at, they are most of what there is to make."""


def of(deploy: Deploy, **blocks: object) -> Objects:
    """What this program makes of a stack file with these blocks."""
    said = {"cluster": OTHER, "gateway": {"crds": UNDEFINED}, "models": [QWEN], **blocks}
    config = {f"llm-d:{key}": value for key, value in said.items()}
    return objects(deploy, "simulated", config=config, secrets=TOKEN)


def objects(deploy: Deploy, stack: str, **changes: Any) -> Objects:
    return objects_of(deploy(stack, **changes))


PROVIDED = [
    (release, provider)
    for release, one in releases().items()
    for provider in ("standalone", "gke", "openshift", *sorted(one.gateways))
    if not any(
        provider in refusal.provider and release in (refusal.releases or ()) for refusal in REFUSALS
    )
]
"""Gateways that each release can have."""


def behind(provider: str, **blocks: Any) -> dict[str, Any]:
    """Blocks of a stack that has the gateway, on whatever it is to be had on."""
    platform = provider if provider in PLATFORMS else "kubernetes"
    return {
        "hardware": "cuda",
        "cluster": OTHER | {"platform": platform},
        "gateway": {"provider": provider, "crds": UNDEFINED},
        **blocks,
    }


def provided(deploy: Deploy, release: str, provider: str) -> Sequence[Made]:
    """All that is made of such a stack."""
    blocks = behind(provider, release=release, models=[QWEN])
    return deploy("simulated", config={f"llm-d:{key}": value for key, value in blocks.items()})


def objects_of(made: Sequence[Made]) -> Objects:
    return [one.inputs for one in made if one.is_object]


def official(guide: str) -> Objects:
    """What the charts of that guide render to; nothing where that is not at hand."""
    return rendered(guides()[guide])


def pieces(text: str) -> Objects:
    return [one for one in yaml.safe_load_all(textwrap.dedent(text)) if one]


def only(made: Objects, *kinds: str) -> list[Any]:
    return [one for one in made if one["kind"] in kinds]


def pods(made: Objects) -> Iterator[tuple[str, Any]]:
    """Name of a workload, and its pods' template."""
    for one in only(made, "Deployment", "Job"):
        yield one["metadata"]["name"], one["spec"]["template"]


def containers(made: Objects) -> Iterator[tuple[str, Any]]:
    """Name of a workload, and each of its containers."""
    for name, template in pods(made):
        for one in (*template["spec"].get("initContainers", ()), *template["spec"]["containers"]):
            yield name, one


def servers(made: Objects) -> Iterator[tuple[str, Any]]:
    found = [(name, one) for name, one in containers(made) if re.fullmatch(SERVER, one["name"])]
    assert found, "there is no model server to look at"
    yield from found


def flags(container: Any) -> dict[str, str]:
    """`--flag value` and `--flag=value` alike."""
    words = [word for one in container.get("args", ()) for word in str(one).split("=", 1)]
    return {
        word.replace("_", "-"): next_word
        for word, next_word in zip(words, [*words[1:], ""], strict=True)
        if word.startswith("--")
    }


def files(made: Objects) -> Iterator[tuple[str, Any]]:
    """Name and content of every YAML file in a ConfigMap."""
    for one in only(made, "ConfigMap"):
        data: Mapping[str, str] = one.get("data", {})
        for name, text in data.items():
            yield name, yaml.safe_load(text)


def everything(value: Any, key: str) -> Iterator[Any]:
    """All that stands under that key, at any depth."""
    if isinstance(value, dict):
        for name, inner in value.items():  # pyright: ignore[reportUnknownVariableType]
            if name == key:
                yield inner
            yield from everything(inner, key)
    elif isinstance(value, list):
        for inner in value:  # pyright: ignore[reportUnknownVariableType]
            yield from everything(inner, key)


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return selector.items() <= labels.items()


def caught(check: Callable[[Objects], Faults], ours: Objects, *theirs: Objects) -> bool:
    """Whether `check` finds nothing in ours, and something in each of theirs that is at hand."""
    assert [*check(ours)] == []
    defective, *rendering = theirs
    return bool([*check(defective)]) and all([*check(one)] for one in rendering if one)


# D1


def pod_fields_on_containers(made: Objects) -> Faults:
    """The API server refuses them: strict decoding error, unknown field."""
    of_a_pod = {"fsGroup", "fsGroupChangePolicy", "supplementalGroups", "sysctls"}
    for name, one in servers(made):
        for field in of_a_pod & one.get("securityContext", {}).keys():
            yield f"{name}: securityContext.{field} of a container"


def test_d1_a_container_on_intel_gpus_has_only_fields_that_containers_have(deploy: Deploy) -> None:
    chart = pieces("""
        kind: Deployment
        metadata: {name: decode}
        spec: {template: {spec: {containers: [
            {name: vllm, securityContext: {fsGroup: 107, supplementalGroups: [107]}}]}}}
    """)

    assert caught(pod_fields_on_containers, of(deploy, hardware="xpu"), chart)


# D2


def without_the_devices_group(made: Objects) -> Faults:
    """Model servers on Intel GPUs that cannot open the device files, or are fewer than asked."""
    for one in only(made, "Deployment"):
        if one["metadata"]["name"].endswith("decode"):
            pod = one["spec"]["template"]["spec"]
            if RENDER not in pod.get("securityContext", {}).get("supplementalGroups", ()):
                yield f"pods are not in group {RENDER}"
            if one["spec"]["replicas"] != QWEN["replicas"]:
                yield f"{one['spec']['replicas']} replicas"


@pytest.mark.parametrize("hardware", ["xpu", "xpu-dra"])
def test_d2_pods_on_intel_gpus_are_as_many_as_asked_and_may_open_the_device(
    hardware: str, deploy: Deploy
) -> None:
    chart = pieces("""
        kind: Deployment
        metadata: {name: ms-decode}
        spec: {replicas: 1, template: {spec: {containers: [{name: vllm}]}}}
    """)
    ours = of(deploy, release="v0.6", hardware=hardware)

    assert only(ours, "Deployment")
    assert caught(without_the_devices_group, ours, chart)


# D3


def asked_in_plain_text(made: Objects) -> Faults:
    """Endpoint pickers serve TLS: a proxy that does not know gets no answer, and fails closed."""
    rules = {
        one["spec"]["host"]
        for one in only(made, "DestinationRule")
        if one["spec"]["trafficPolicy"].get("tls", {}).get("mode") == "SIMPLE"
    }
    proxies = {
        str(host)
        for _, content in files(made)
        for upstream in everything(content, "clusters")
        for cluster in upstream
        if "UpstreamTlsContext" in str(cluster)
        for host in everything(cluster, "address")
    }
    for pool in only(made, "InferencePool"):
        metadata, picker = pool["metadata"], pool["spec"]["endpointPickerRef"]["name"]
        host = f"{picker}.{metadata['namespace']}.svc.cluster.local"
        if host not in rules and not any(host in one for one in proxies):
            yield f"nothing speaks TLS to {host}"


@pytest.mark.parametrize(
    ("release", "hardware", "provider", "platform"),
    [
        ("v0.5", "cuda", "istio", "digitalocean"),
        ("v0.6", "cuda", "istio", "digitalocean"),
        ("v0.6", "cpu", "istio", "kubernetes"),
        ("v0.5", "cuda", "openshift", "openshift"),
        ("v0.5", "cuda", "standalone", "kubernetes"),
    ],
)
def test_d3_what_asks_an_endpoint_picker_speaks_tls_to_it(
    release: str, hardware: str, provider: str, platform: str, deploy: Deploy
) -> None:
    """Other providers' proxies take the certificate of whatever a pool's endpoint picker is."""
    chart = pieces("""
        kind: Gateway
        metadata: {name: infra}
        spec: {gatewayClassName: istio}
        ---
        kind: InferencePool
        metadata: {name: gaie, namespace: llm-d}
        spec: {endpointPickerRef: {name: gaie-epp, port: {number: 9002}}}
    """)
    ours = of(
        deploy,
        release=release,
        hardware=hardware,
        cluster=OTHER | {"platform": platform},
        gateway={"provider": provider, "crds": UNDEFINED},
    )

    assert only(ours, "InferencePool")
    assert caught(asked_in_plain_text, ours, chart)


# D4


def missing_files(made: Objects) -> Faults:
    """ConfigMaps that a pod waits for and nobody makes."""
    there = {one["metadata"]["name"] for one in only(made, "ConfigMap")}
    for name, template in pods(made):
        for volume in template["spec"].get("volumes", ()):
            wanted = volume.get("configMap", {}).get("name")
            if wanted and wanted not in there:
                yield f"{name}: ConfigMap {wanted}"


def test_d4_every_file_that_a_pod_mounts_is_made(deploy: Deploy) -> None:
    chart = pieces("""
        kind: Deployment
        metadata: {name: gaie-epp}
        spec: {template: {spec: {containers: [], volumes: [{configMap: {name: envoy}}]}}}
    """)

    assert caught(
        missing_files,
        of(deploy, hardware="cuda"),
        chart,
        official("v0.5 cuda standalone"),
    )


# D5


def unscraped_pickers(made: Objects) -> Faults:
    """Without a monitor, or without the rules by which a picker asks who may read its metrics."""
    monitors = only(made, "ServiceMonitor", "PodMonitoring")
    roles = {
        one["metadata"]["name"]
        for one in only(made, "ClusterRole")
        if any("tokenreviews" in rule.get("resources", ()) for rule in one["rules"])
    }
    may = {
        subject["name"]
        for one in only(made, "ClusterRoleBinding")
        for subject in one["subjects"]
        if one["roleRef"]["name"] in roles
    }
    for pool in only(made, "InferencePool"):
        picker = pool["spec"]["endpointPickerRef"]["name"]
        [service] = [one for one in only(made, "Service") if one["metadata"]["name"] == picker]
        labels = service["metadata"].get("labels", {})
        if not any(matches(one["spec"]["selector"]["matchLabels"], labels) for one in monitors):
            yield f"{picker}: no monitor"
        if picker not in may:
            yield f"{picker}: cannot ask who reads its metrics"


def test_d5_an_endpoint_picker_on_gke_is_scraped_and_lets_itself_be(deploy: Deploy) -> None:
    chart = pieces("""
        kind: InferencePool
        metadata: {name: gaie}
        spec: {endpointPickerRef: {name: gaie-epp}}
        ---
        kind: Service
        metadata: {name: gaie-epp, labels: {app.kubernetes.io/name: gaie-epp}}
    """)
    ours = of(deploy, **behind("gke", hardware="cuda-gke", monitoring=MONITORED))

    assert only(ours, "InferencePool")
    assert caught(unscraped_pickers, ours, chart, official("v0.5 cuda-gke gke"))


# D6


def foreign_pods(made: Objects) -> Faults:
    """Pools that select pods of more than one workload that answers, and labels that are no one's.

    Each pool here is for one model without prefill.
    """
    for pool in only(made, "InferencePool"):
        selector = pool["spec"]["selector"]["matchLabels"]
        mine = [name for name, one in pods(made) if matches(selector, one["metadata"]["labels"])]
        if len(mine) != 1:
            yield f"{pool['metadata']['name']} selects {mine}"
    for name, template in pods(made):
        if template["metadata"]["labels"].get("llm-d.ai/model") == "random_model":
            yield f"{name} serves random_model"


def test_d6_a_pool_selects_the_pods_of_its_own_model_in_its_own_stack(deploy: Deploy) -> None:
    chart = pieces("""
        kind: InferencePool
        metadata: {name: gaie-a}
        spec: {selector: {matchLabels: {llm-d.ai/inferenceServing: "true"}}}
        ---
        kind: Deployment
        metadata: {name: ms-a-decode}
        spec: {template: {metadata: {labels: {llm-d.ai/inferenceServing: "true"}}}}
        ---
        kind: Deployment
        metadata: {name: ms-b-decode}
        spec: {template: {metadata: {labels: {llm-d.ai/inferenceServing: "true"}}}}
    """)

    assert caught(foreign_pods, two_stacks(deploy), chart, two_releases())
    assert caught(foreign_pods, two_models(deploy), chart)


def two_stacks(deploy: Deploy) -> Objects:
    """In one namespace, of the same model."""
    first = of(deploy, hardware="cuda", monitoring=MONITORED, names={"postfix": "a"}, gateway={})
    second = of(
        deploy,
        hardware="cuda",
        monitoring=MONITORED,
        names={"postfix": "b", "createNamespace": False},
        gateway={"crds": {"inferenceExtension": "adopt"}},
    )
    # One token serves both: whoever comes second names the Secret of the first.
    return [*first, *(one for one in second if one["metadata"]["name"] != "llm-d-hf-token")]


def two_models(deploy: Deploy) -> Objects:
    """In one stack, called the same by two publishers."""
    models = [QWEN, {"name": "mirror/qwen3-0.6b", "id": "mirror"}]
    return of(deploy, hardware="cuda", monitoring=MONITORED, models=models)


def two_releases() -> Objects:
    """Of the official charts in one namespace, as Helm would name the second."""
    first = official("v0.5 cuda istio")
    second = yaml.safe_dump_all(first).replace("-inference-scheduling", "-second")
    return [*first, *pieces(second)]


# D7


def twice(made: Objects) -> Faults:
    """Objects of one kind and name, of which the second replaces the first or is refused."""
    names = [
        (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in made
    ]
    yield from sorted({" ".join(map(str, one)) for one in names if names.count(one) > 1})


def test_d7_two_pools_in_one_namespace_share_no_object(deploy: Deploy) -> None:
    chart = pieces("""
        kind: Secret
        metadata: {name: inference-gateway-sa-metrics-reader-secret}
        ---
        kind: Secret
        metadata: {name: inference-gateway-sa-metrics-reader-secret}
    """)

    assert caught(twice, two_stacks(deploy), chart, two_releases())
    assert caught(twice, two_models(deploy), chart)


# D8


A_DAY = 24 * 3600
"""No answer takes as long."""


def cut_short(made: Objects) -> Faults:
    """Answers that a clock ends."""
    yield from cut_short_by_google(made)
    for one in only(made, "Route"):
        if one["metadata"].get("annotations", {}).get(ROUTER_TIMEOUT) != "24h":
            yield "30 s by OpenShift's router"
    for one in only(made, "HTTPRoute"):
        for rule in one["spec"]["rules"]:
            for timeout in rule.get("timeouts", {}).values():
                if timeout not in {"0s", f"{A_DAY}s"}:
                    yield f"{timeout} by route"
    for _, content in files(made):
        for route in everything(content, "route"):
            if "cluster" in route and route.get("timeout") != "0s":
                yield f"{route.get('timeout', '15s')} by Envoy"


def cut_short_by_google(made: Objects) -> Faults:
    """By load balancers that take 30 s for what they are not told."""
    told = {
        one["spec"]["targetRef"]["name"]: one["spec"]["default"]["timeoutSec"]
        for one in only(made, "GCPBackendPolicy")
    }
    for pool in only(made, "InferencePool"):
        seconds = told.get(pool["metadata"]["name"], 30)
        if is_google(made) and seconds < A_DAY:
            yield f"{seconds} s on GKE"


def is_google(made: Objects) -> bool:
    classes = [one["spec"]["gatewayClassName"] for one in only(made, "Gateway")]
    return any(one.startswith("gke-") for one in classes)


ROUTER_TIMEOUT = "haproxy.router.openshift.io/timeout"


@pytest.mark.parametrize(("release", "provider"), PROVIDED)
def test_d8_an_answer_takes_as_long_as_it_takes(
    release: str, provider: str, deploy: Deploy
) -> None:
    chart = pieces("""
        kind: Gateway
        spec: {gatewayClassName: gke-l7-regional-external-managed}
        ---
        kind: InferencePool
        metadata: {name: gaie}
        ---
        kind: GCPBackendPolicy
        spec: {default: {timeoutSec: 300}, targetRef: {name: gaie}}
    """)
    newest = pieces("{kind: HTTPRoute, spec: {rules: [{timeouts: {request: 300s}}]}}")
    ours = objects_of(provided(deploy, release, provider))
    routes = [one for _, content in files(ours) for one in everything(content, "route")]

    assert routes or only(ours, "HTTPRoute")
    assert caught(cut_short, ours, chart, official("v0.5 cuda-gke gke"))
    assert caught(cut_short, ours, newest)


# D9


def undefined(made: Objects) -> Faults:
    """What an endpoint picker watches and the definitions beside it lack: it crash-loops."""
    defined = {
        (one["spec"]["group"], one["spec"]["names"]["plural"])
        for one in only(made, "CustomResourceDefinition")
    }
    watched = {
        (group, resource)
        for role in only(made, "Role")
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        if resource.startswith("inference")
    }
    # Where a kind has moved, a picker that knows both groups watches the one that is there.
    for resource in {resource for _, resource in watched}:
        if not {one for one in watched if one[1] == resource} & defined:
            yield resource


def definitions_of_1_2() -> Objects:
    """What the guide installs beside a chart of 1.3, by the names of its files."""
    names = [Path(one.path).stem for one in INFERENCE_EXTENSION_1_2.files]
    return [
        {
            "kind": "CustomResourceDefinition",
            "metadata": {"name": plural},
            "spec": {"group": group, "names": {"plural": plural}},
        }
        for group, plural in (name.split("_") for name in names)
    ]


@pytest.mark.parametrize("release", releases())
def test_d9_what_an_endpoint_picker_watches_is_defined(release: str, deploy: Deploy) -> None:
    role = pieces("""
        kind: Role
        rules:
          - apiGroups: [inference.networking.x-k8s.io]
            resources: [inferenceobjectives, inferencemodelrewrites]
    """)
    chart = official("v0.5 cuda istio")
    ours = of(deploy, hardware="simulated", release=release, gateway={})

    assert only(ours, "CustomResourceDefinition")
    assert caught(
        undefined,
        ours,
        [*role, *definitions_of_1_2()],
        [*chart, *definitions_of_1_2()] if chart else [],
    )


# D10

LAPTOP = 8
"""CPUs of the guides' minikube and kind."""


def no_room_for_two_replicas(made: Objects) -> Faults:
    """More than half of a laptop for gateway and endpoint picker, before any model server."""
    asked = sum(
        one["spec"].get("replicas", 1) * cpu(container)
        for one in only(made, "Deployment")
        for container in one["spec"]["template"]["spec"]["containers"]
        if not re.fullmatch(SERVER, container["name"])
    ) + sum(proxies(made))
    if asked >= LAPTOP / 2:
        yield f"{asked} CPUs beside the model servers"


def proxies(made: Objects) -> Iterator[float]:
    """CPUs of the pods that a control plane makes for a Gateway, by what it is told of them."""
    for _, content in files(made):  # Istio's
        for pod in everything(content, "containers"):
            yield content.get("spec", {}).get("replicas", 1) * sum(map(cpu, pod))
    for one in only(made, "GatewayParameters"):
        told = one["spec"]["kube"]
        yield told.get("deployment", {}).get("replicas", 1) * cpu(told["envoyContainer"])
    for one in only(made, "AgentgatewayParameters"):
        yield one["spec"].get("deployment", {}).get("spec", {}).get("replicas", 1) * cpu(
            one["spec"]
        )
    for one in only(made, "EnvoyProxy"):
        told = one["spec"]["provider"]["kubernetes"]["envoyDeployment"]
        yield told["replicas"] * cpu(told["container"])


def cpu(container: Any) -> float:
    return float(quantity.parse(container.get("resources", {}).get("requests", {}).get("cpu", "0")))


GREEDY = """
    kind: ConfigMap
    metadata: {name: gateway}
    data:
      deployment: "spec: {template: {spec: {containers: [{resources: {requests: {cpu: '4'}}}]}}}"
    ---
    kind: Deployment
    metadata: {name: gaie-epp}
    spec: {template: {spec: {containers: [{name: epp, resources: {requests: {cpu: "4"}}}]}}}
"""


@pytest.mark.parametrize("stack", ["minikube", "kind-arm64"])
def test_d10_a_laptop_has_room_for_gateway_endpoint_picker_and_two_replicas(
    stack: str, deploy: Deploy
) -> None:
    made = deploy(stack)
    ours = objects_of(made)
    control_planes = [one.inputs["values"] for one in made if one.kind == "Release"]
    pods = sum(
        one["spec"].get("replicas", 1) * cpu(container)
        for one in only(ours, "Deployment")
        for container in one["spec"]["template"]["spec"]["containers"]
    )
    [proxy] = proxies(ours)
    controllers = sum(cpu({"resources": one}) for one in everything(control_planes, "resources"))

    assert caught(no_room_for_two_replicas, ours, pieces(GREEDY), official("v0.6 cuda istio"))
    assert len([*servers(ours)]) == 1
    assert proxy > 0
    assert controllers > 0
    assert pods + proxy + controllers <= LAPTOP


@pytest.mark.parametrize(
    ("release", "provider"), [one for one in PROVIDED if one[1] not in PLATFORMS]
)
def test_d10_a_gateway_of_any_provider_leaves_a_laptop_its_room(
    release: str, provider: str, deploy: Deploy
) -> None:
    ours = objects_of(provided(deploy, release, provider))

    assert [*proxies(ours)] or provider == "standalone"
    assert caught(no_room_for_two_replicas, ours, pieces(GREEDY))


# D11


def placeholders(made: Objects) -> Faults:
    """Words that somebody was to replace, and accounts that nobody makes."""
    accounts = {one["metadata"]["name"] for one in only(made, "ServiceAccount")}
    for name, template in pods(made):
        account = template["spec"].get("serviceAccountName", "default")
        if account not in {*accounts, "default"}:
            yield f"{name}: ServiceAccount {account}"
    for name, one in servers(made):
        for word in (*one.get("command", ()), *one.get("args", ())):
            if re.search(r"<.*>|placeholder", str(word)):
                yield f"{name}: {word}"


@pytest.mark.parametrize("release", ["v0.5", "current"])
def test_d11_a_tpu_stack_has_no_placeholders(release: str, deploy: Deploy) -> None:
    chart = pieces("""
        kind: Deployment
        metadata: {name: ms-decode}
        spec: {template: {spec: {serviceAccountName: placeholder-sa, containers: [
            {name: vllm, args: ["--model=<Insert GCS URI here>"]}]}}}
    """)
    model = {"name": "Qwen/Qwen3-32B", "tensorParallel": 8, "maxModelLen": 4096}

    assert caught(
        placeholders, of(deploy, release=release, hardware="tpu7x", models=[model]), chart
    )


# D12


def unheard_or_moving(made: Objects) -> Faults:
    """Ports that a pool sends to and its pods do not open; images that are others tomorrow."""
    for pool in only(made, "InferencePool"):
        selector = pool["spec"]["selector"]["matchLabels"]
        for _, template in pods(made):
            if matches(selector, template["metadata"]["labels"]):
                spec = template["spec"]
                opened = {
                    port["containerPort"]
                    for one in (*spec.get("initContainers", ()), *spec["containers"])
                    for port in one.get("ports", ())
                }
                for target in pool["spec"]["targetPorts"]:
                    if target["number"] not in opened:
                        yield f"{pool['metadata']['name']}: port {target['number']}"
    for name, one in containers(made):
        if not is_pinned(one["image"]):
            yield f"{name}: {one['image']}"


def test_d12_a_pool_sends_to_an_open_port_and_no_image_moves(deploy: Deploy) -> None:
    port = pieces("""
        kind: InferencePool
        metadata: {name: gaie}
        spec: {targetPorts: [{number: 8081}], selector: {matchLabels: {a: b}}}
        ---
        kind: Deployment
        metadata: {name: ms-decode}
        spec: {template: {metadata: {labels: {a: b}}, spec: {containers: [
            {name: modelserver, image: "vllm:v0.26.0", ports: [{containerPort: 8000}]}]}}}
    """)
    image = pieces("""
        kind: Deployment
        metadata: {name: gaie-epp}
        spec: {template: {spec: {containers: [
            {name: epp, image: "ghcr.io/llm-d/llm-d-router-endpoint-picker:main"}]}}}
    """)
    ours = of(deploy, release="current", hardware="cuda")

    assert only(ours, "InferencePool")
    assert caught(unheard_or_moving, ours, port)
    assert caught(unheard_or_moving, ours, image)


def moving_charts(charts: Iterable[Chart]) -> Faults:
    """Of which tomorrow brings another: a tag like v0 is the newest of many."""
    for one in charts:
        if not re.fullmatch(r"v?\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?", one.version):
            yield f"{one.name}: {one.version}"


@pytest.mark.parametrize(("release", "provider"), PROVIDED)
def test_d12_no_chart_of_a_control_plane_moves(release: str, provider: str) -> None:
    guide = Chart(
        name="llm-d-router-gateway",
        namespace="llm-d",
        chart="oci://ghcr.io/llm-d/charts/llm-d-router-gateway",
        version="v0",
    )
    charts = planned(**behind(provider, release=release)).providers.charts

    assert bool(charts) == (provider not in {"standalone", *PLATFORMS})
    assert [*moving_charts(charts)] == []
    assert [*moving_charts([guide])]


# D13


def caches_too_small_for_one_request(made: Objects) -> Faults:
    """vLLM refuses to start where the longest request that it may get does not fit."""
    for name, server in servers(made):
        said = flags(server)
        size, length = said.get("--kv-cache-memory-bytes"), said.get("--max-model-len")
        if size and length:
            shape = capacity.models()[said["--model"]]
            needed = int(length) * sum(one.layers * one.token(1, 2) for one in shape.caches)
            if int(size) < needed:
                yield f"{name}: {size} bytes, and {length} tokens take {needed:.0f}"


SMOL = "HuggingFaceTB/SmolLM2-360M-Instruct"


def test_d13_the_cache_on_apple_silicon_holds_the_longest_request(deploy: Deploy) -> None:
    chart = pieces(f"""
        kind: Deployment
        metadata: {{name: ms-decode}}
        spec: {{template: {{spec: {{containers: [{{name: vllm, args: [
            --model, {SMOL}, --max-model-len, "4096", --kv-cache-memory-bytes, "104857600"]}}]}}}}}}
    """)
    model = {"name": SMOL, "maxModelLen": 4096}
    ours = of(deploy, hardware="cpu-arm64", models=[model])
    [(_, server)] = servers(ours)

    assert "--kv-cache-memory-bytes" in flags(server)
    assert caught(caches_too_small_for_one_request, ours, chart)
    [problem] = told(hardware="cpu-arm64", models=[model | {"kvCache": "100Mi"}])
    assert problem.startswith("`models[0].kvCache` is `100Mi`, expected ")


# D14


def late_or_impatient(made: Objects) -> Faults:
    """Ready models that nobody asks for minutes, and loading ones that are killed."""
    for name, one in servers(made):
        probe = one["startupProbe"]
        waits, every = probe.get("initialDelaySeconds", 0), probe.get("periodSeconds", 10)
        if waits > 30:
            yield f"{name}: not asked for {waits} s"
        if waits + every * probe.get("failureThreshold", 3) < 600:
            yield f"{name}: killed after less than ten minutes"


@pytest.mark.parametrize("stack", sorted({*STACKS} - {"embedded", "simulated"}))
def test_d14_a_model_is_ready_as_soon_as_it_is_and_has_time_to_load(
    stack: str, deploy: Deploy
) -> None:
    chart = pieces("""
        kind: Deployment
        metadata: {name: ms-decode}
        spec: {template: {spec: {containers: [{name: vllm, startupProbe: {
            initialDelaySeconds: 300, periodSeconds: 30, failureThreshold: 80}}]}}}
    """)

    assert caught(
        late_or_impatient, objects(deploy, stack), chart, official("v0.4 cpu-arm64 istio")
    )


# D15


def unknown_plugins(made: Objects, known: frozenset[str]) -> Faults:
    """Of an endpoint picker that then does not start; and configurations that are not there."""
    configs = {name: content for name, content in files(made) if "plugins" in str(content)}
    for content in configs.values():
        for one in content["plugins"]:
            if one["type"] not in known:
                yield one["type"]
    for name, one in containers(made):
        if one["name"] == "epp":
            file = flags(one).get("--config-file", "").rsplit("/", 1)[-1]
            if file not in configs:
                yield f"{name}: {file}"


@pytest.mark.parametrize("release", releases())
def test_d15_an_endpoint_picker_knows_its_plugins_and_finds_its_file(
    release: str, deploy: Deploy
) -> None:
    guide = pieces("""
        kind: ConfigMap
        metadata: {name: gaie-epp}
        data:
          default-plugins.yaml: "plugins: [{type: kv-cache-scorer}, {type: round-robin-picker}]"
        ---
        kind: Deployment
        metadata: {name: gaie-epp}
        spec: {template: {spec: {containers: [
            {name: epp, args: [--config-file, /config/plugins-v2.yaml]}]}}}
    """)
    known = releases()[release].plugins
    ours = of(deploy, hardware="simulated", release=release)

    assert [*files(ours)]
    assert [*unknown_plugins(ours, known)] == []
    assert [*unknown_plugins(guide, known)] == [
        "kv-cache-scorer",
        "round-robin-picker",
        "gaie-epp: plugins-v2.yaml",
    ]


# D15, D16


def moving_links(text: str) -> Faults:
    """To files on a branch, which are elsewhere or gone tomorrow."""
    branch = r"https://(?:raw\.githubusercontent|github)\.com/\S+?/(?:main|master|dev)/\S+"
    yield from re.findall(branch, text)


def test_d15_d16_nothing_here_is_fetched_from_a_branch_or_sends_a_reader_to_one() -> None:
    guides_text = (
        "kubectl apply -f https://raw.githubusercontent.com/kubernetes-sigs/"
        "gateway-api-inference-extension/main/config/crd/bases/pools.yaml\n"
        "see https://github.com/llm-d/llm-d/tree/main/guides/benchmark/templates\n"
    )
    kinds = ("*.md", "docs/**/*.md", "Pulumi*.yaml", "Makefile")
    packages = ("bench", "components", "embedded", "smoke", "stack", "telemetry", "tools")
    read = [
        *(file for kind in kinds for file in ROOT.glob(kind)),
        *(file for package in packages for file in (ROOT / package).rglob("*.py")),
    ]

    assert len([*moving_links(guides_text)]) == 2
    assert [link for file in read for link in moving_links(file.read_text())] == []


# D17


def missing_secrets(made: Objects) -> Faults:
    """A container that wants one is not started: CreateContainerConfigError."""
    there = {one["metadata"]["name"] for one in only(made, "Secret")}
    for name, one in containers(made):
        for secret in everything(one.get("env", []), "secretKeyRef"):
            if secret["name"] not in there and not secret.get("optional"):
                yield f"{name}: Secret {secret['name']}"


def test_d17_a_gated_model_has_its_token_or_is_refused(deploy: Deploy) -> None:
    chart = pieces("""
        kind: Deployment
        metadata: {name: ms-decode}
        spec: {template: {spec: {containers: [{name: vllm, env: [
            {name: HF_TOKEN, valueFrom: {secretKeyRef: {name: llm-d-hf-token, key: HF_TOKEN}}}]}]}}}
    """)
    gated = {"name": "meta-llama/Llama-3.2-3B-Instruct", "maxModelLen": 8192}
    ours = objects(deploy, "x86-cpu")

    assert [*everything([*ours], "secretKeyRef")]
    assert caught(missing_secrets, ours, chart, official("v0.5 cpu istio"))
    [problem] = told(hardware="cpu", models=[gated])
    assert "or a token: run `pulumi config set --secret llm-d:hfToken`" in problem


# D18

DRA = (1, 34)
"""Kubernetes since when it has resource.k8s.io/v1."""


def unknown_to(version: tuple[int, int], made: Objects) -> Faults:
    for one in made:
        if str(one.get("apiVersion")) == "resource.k8s.io/v1" and version < DRA:
            yield f"{one['kind']} on {version}"


@pytest.mark.parametrize("hardware", ["gaudi", "xpu-dra"])
def test_d18_devices_are_claimed_only_on_a_cluster_that_knows_claims(
    hardware: str, deploy: Deploy
) -> None:
    chart = pieces("{kind: ResourceClaimTemplate, apiVersion: resource.k8s.io/v1}")
    model = QWEN | {"maxModelLen": 4096}

    def cluster(version: str) -> dict[str, object]:
        return {"kind": "existing", "context": "other", "version": version}

    ours = of(deploy, hardware=hardware, cluster=cluster("1.34"), models=[model])

    assert only(ours, "ResourceClaimTemplate")
    assert [*unknown_to((1, 34), ours)] == []
    assert [*unknown_to((1, 33), chart)]
    [*problems] = told(hardware=hardware, cluster=cluster("1.33"), models=[model])
    assert any(one.startswith("`cluster.version` is `1.33`, expected 1.34") for one in problems)


# D19


def hides_failure(command: str) -> Faults:
    """A step that goes on whatever has gone wrong, and one that removes what is everybody's."""
    if re.search(r"\|\|\s*(true|:)(\s|$)", command):
        yield "its failure is hidden"
    if re.search(r"\bdelete\b.*\bcrds?\b", command):
        yield "definitions are removed from under everybody's objects"


def test_d19_a_failed_definition_stops_the_stack_and_others_definitions_stay(
    deploy: Deploy,
) -> None:
    script = "kubectl {} -k https://github.com/kubernetes-sigs/gateway-api/config/crd/ || true"
    adopted = {
        "provider": "istio",
        "crds": {"gatewayApi": "adopt", "inferenceExtension": "adopt"},
    }
    made = deploy("minikube", config={"llm-d:gateway": adopted})
    installed = deploy("minikube")
    commands = [
        str(word)
        for one in (*deploy("embedded"), *installed)
        for key, word in one.inputs.items()
        if one.type.startswith("command:") and key in {"create", "update", "delete"}
    ]
    [pool] = [one for one in installed if one.type == "llm-d:components:InferencePool"]

    assert commands
    assert [fault for one in commands for fault in hides_failure(one)] == []
    assert [*hides_failure(script.format("apply"))]
    assert len([*hides_failure(script.format("delete"))]) == 2
    # Theirs are read: what is not made here is not removed from here.
    assert [one.name for one in made if one.kind == "CustomResourceDefinition"] == []
    # A pool waits for the definitions, and is not made when they cannot be.
    definitions = {one.urn for one in installed if one.kind == "CustomResourceDefinition"}
    assert definitions
    assert definitions <= {*pool.request.dependencies}


def removed_from_under_others(made: Sequence[Made]) -> Faults:
    """Definitions that a destroy removes, of a bundle, or in a chart that Helm uninstalls."""
    kept = {one.urn for one in made if one.request.retainOnDelete}
    for one in made:
        # The engine hands it on to what is in them.
        above = {one.urn, one.request.parent}
        if one.kind == "CustomResourceDefinition" and not above & kept:
            yield one.name
        # Istio's own have an annotation that Helm keeps them for.
        if one.kind == "Release" and one.name.endswith("-crds") and not above & kept:
            yield one.name


def test_d19_definitions_outlive_a_stack_on_a_cluster_that_is_not_its_own(deploy: Deploy) -> None:
    theirs, own = deploy("x86-cpu"), deploy("embedded")

    for made in (theirs, own):
        assert [one for one in made if one.kind == "CustomResourceDefinition"]
    assert [*removed_from_under_others(theirs)] == []
    assert [*removed_from_under_others(own)]


@pytest.mark.parametrize(
    ("release", "provider"), [one for one in PROVIDED if one[1] not in {"standalone", *PLATFORMS}]
)
def test_d19_definitions_of_a_control_plane_outlive_a_stack_too(
    release: str, provider: str, deploy: Deploy
) -> None:
    made = provided(deploy, release, provider)

    assert [one for one in made if one.kind == "Release"]
    assert [*removed_from_under_others(made)] == []
