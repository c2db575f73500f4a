"""All checks of one model, in the order in which a request meets what they look at."""

import time
from contextlib import ExitStack
from http import HTTPStatus

from plugins.kubernetes.access import UnreachableError
from plugins.kubernetes.errors import ApiError
from plugins.values import Object
from smoke import answers, metrics, workloads
from smoke.cluster import Cluster
from smoke.findings import Check, Failed, Found, Hop, Passed
from smoke.forward import Forward
from smoke.outputs import Model, Stack
from smoke.web import Answer, Lost, Outcome, Web, Why

API = "API server"
SERVER, PICKER, POOL = "model server", "endpoint picker", "inference pool"
GATEWAY, LIST, CHAT = "gateway", "model list", "chat"
STREAM, LONG, NOBODY, METRICS = "stream", "64 KiB prompt", "wrong model name", "picker's metrics"

SHORT_SECONDS = 5.0
MODEL_SECONDS = 20.0
"""For a few tokens, on a CPU that has other things to do."""
REFRESH_SECONDS = 6.0
"""The endpoint picker brings its figures up to date every five."""


def api_server(cluster: Cluster, stack: Stack) -> Check:
    """The one check that all models have in common."""

    def look() -> Found:
        namespace = cluster.get(f"/api/v1/namespaces/{stack.namespace}")
        return workloads.api_server(stack, cluster.get("/version"), namespace)

    return Check(API, frozenset(), look, f"make up STACK={stack.name}")


class Visit:
    """Keeps what later checks need of an earlier one: the way to the gateway."""

    def __init__(
        self, cluster: Cluster, web: Web, stack: Stack, model: Model, opened: ExitStack
    ) -> None:
        """`opened` closes the ways that had to be opened."""
        self._cluster, self._web, self._stack, self._model = cluster, web, stack, model
        self._opened = opened
        self._url = ""
        self._forward: Forward | None = None

    def checks(self) -> list[Check]:
        table = [
            (SERVER, {API}, self._server),
            (PICKER, {API}, self._picker),
            (POOL, {API}, self._pool),
            (GATEWAY, {API, PICKER}, self._gateway),
            (LIST, {SERVER, POOL, GATEWAY}, self._list),
            (CHAT, {LIST}, self._chat),
            (STREAM, {CHAT}, self._stream),
            (LONG, {CHAT}, self._long),
            (NOBODY, {LIST}, self._nobody),
            (METRICS, {PICKER, SERVER, POOL}, self._metrics),
        ]
        access = self._stack.kubectl("get", "deployments,pods,inferencepools")
        return [Check(name, frozenset(needs), look, access) for name, needs, look in table]

    def _server(self) -> Found:
        return self._deployment(Hop.SERVER, self._model.decode)

    def _picker(self) -> Found:
        return self._deployment(Hop.PICKER, self._model.picker)

    def _deployment(self, hop: Hop, name: str) -> Found:
        live = self._live(name)
        if live is None or workloads.ready(live) == workloads.wanted(live):
            return workloads.deployment(self._stack, hop, name, live)
        pods = self._pods(workloads.selector(live))
        events = self._cluster.get(self._path("events"), {"fieldSelector": "type=Warning"})
        last_words = self._last_words([pod for pod in pods if not workloads.is_ready(pod)])
        return workloads.deployment(
            self._stack, hop, name, live, pods, (events or {}).get("items") or [], last_words
        )

    def _last_words(self, pods: list[Object]) -> str:
        if not (which := workloads.ended(pods)):
            return ""
        pod, container, previous = which
        query = {"container": container, "previous": str(previous).lower(), "tailLines": "5"}
        try:
            log = self._cluster.log(f"{self._path('pods')}/{pod}/log", query)
        except (ApiError, UnreachableError):
            return ""  # it would only have been the cause of a failure that is told anyway
        return next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")

    def _pool(self) -> Found:
        group = f"/apis/inference.networking.k8s.io/v1/namespaces/{self._stack.namespace}"
        live = self._cluster.get(f"{group}/inferencepools/{self._model.pool}")
        return workloads.pool(self._stack, self._model, live)

    def _gateway(self) -> Found:
        stack, by = self._stack, "its own address"
        url = stack.url
        if url is None:
            if (service := stack.service) is None:
                return workloads.no_address(stack)
            way = self._open(Hop.GATEWAY, service.name, service.port, service.namespace)
            if isinstance(way, Failed):
                return way
            self._forward, url, by = way, way.url, "a forwarded port"
        self._url = url.rstrip("/")
        outcome = self._ask("/health", seconds=SHORT_SECONDS)
        return answers.reachable(stack, self._model, outcome, f"{by}, {self._url}")

    def _list(self) -> Found:
        if self._model.name not in self._stack.listed:
            return Passed("not asked for this one: the gateway lists one pool's models alone")
        outcome = self._ask("/v1/models", seconds=SHORT_SECONDS)
        return answers.listed(self._stack, self._model, outcome)

    def _chat(self) -> Found:
        return answers.answered(self._stack, self._model, self._talk(self._model.name))

    def _stream(self) -> Found:
        outcome = self._talk(self._model.name, stream=True)
        return answers.streamed(self._stack, self._model, outcome)

    def _long(self) -> Found:
        outcome = self._talk(self._model.name, answers.long_prompt(), max_tokens=1)
        return answers.long_taken(self._stack, self._model, outcome)

    def _nobody(self) -> Found:
        return answers.refused(self._stack, self._model, self._talk(answers.NOBODY))

    def _metrics(self) -> Found:
        model = self._model
        token = self._token()
        service = self._cluster.get(f"{self._path('services')}/{model.picker}")
        url, way = metrics.local(service, model.metrics_port), None
        if url is None:
            way = self._open(Hop.PICKER, model.picker, model.metrics_port)
            if isinstance(way, Failed):
                return way
            url = f"{way.url}/metrics"
        until = time.monotonic() + REFRESH_SECONDS
        while True:
            outcome = _forwarded(self._scrape(token, url), way)
            ready = workloads.ready(self._live(model.decode))
            found = metrics.seen_pods(self._stack, model, outcome, ready)
            told = isinstance(outcome, Answer) and outcome.status == HTTPStatus.OK
            if isinstance(found, Passed) or not told or time.monotonic() > until:
                return found
            time.sleep(0.5)

    def _scrape(self, token: str, url: str) -> Outcome:
        return self._web.ask_as(token, url, seconds=SHORT_SECONDS)

    def _token(self) -> str:
        """A short-lived one of the endpoint picker's own account, which may read its metrics."""
        path = f"{self._path('serviceaccounts')}/{self._model.picker}/token"
        request: Object = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": metrics.TOKEN_SECONDS},
        }
        return str(self._cluster.create(path, request)["status"]["token"])

    def _talk(self, model: str, prompt: str = "Say hello.", **more: object) -> Outcome:
        body = answers.chat(model, prompt, **more)
        return self._ask("/v1/chat/completions", body, seconds=MODEL_SECONDS)

    def _ask(self, path: str, body: object = None, *, seconds: float) -> Outcome:
        outcome = self._web.ask(f"{self._url}{path}", body, seconds=seconds)
        return _forwarded(outcome, self._forward)

    def _open(
        self, hop: Hop, name: str, port: int, namespace: str | None = None
    ) -> Forward | Failed:
        """A port-forward to a ready pod of a Service, in the stack's namespace if not another."""
        namespace = namespace or self._stack.namespace
        service = self._cluster.get(f"{self._path('services', namespace)}/{name}")
        labels: Object = (service or {}).get("spec", {}).get("selector") or {}
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        pods = self._pods(selector, namespace)
        if service is None or (found := workloads.behind(service, pods, port)) is None:
            return Failed(
                hop=hop,
                seen=f"Service `{name}` has no ready pod" if service else f"no Service `{name}`",
                expected=f"a ready pod behind port {port} of Service `{name}`",
                cause="its pods are not ready, or its selector fits none",
                next=self._stack.kubectl("get", "service,endpoints", name, namespace=namespace),
            )
        pod, target = found
        way = Forward(lambda: self._cluster.forward(namespace, pod, target), target)
        self._opened.callback(way.close)
        return way

    def _live(self, name: str) -> Object | None:
        group = f"/apis/apps/v1/namespaces/{self._stack.namespace}"
        return self._cluster.get(f"{group}/deployments/{name}")

    def _pods(self, selector: str, namespace: str | None = None) -> list[Object]:
        found = self._cluster.get(self._path("pods", namespace), {"labelSelector": selector})
        return (found or {}).get("items") or []

    def _path(self, kind: str, namespace: str | None = None) -> str:
        return f"/api/v1/namespaces/{namespace or self._stack.namespace}/{kind}"


def _forwarded(outcome: Outcome, way: Forward | None) -> Outcome:
    """The cluster's own words where a connection ended because it was never brought to the pod."""
    if isinstance(outcome, Lost) and way and way.problem:
        return Lost(Why.FORWARD, way.problem)
    return outcome
