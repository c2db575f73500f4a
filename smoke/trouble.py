"""From an HTTP outcome that is not what was asked for to the hop that fails, and why.

Seen of Envoy, and of endpoint picker 1.3: an empty 500 is Envoy's, when the endpoint picker does
not answer it, be it down or out of its limit of streams; what the endpoint picker says itself
begins with `inference gateway:`; the API's errors are JSON with a message, whoever serves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

from plugins.values import at
from smoke.findings import Failed, Hop
from smoke.outputs import Model, Stack
from smoke.web import Answer, Lost, Outcome, Why


class Look(Enum):
    """What to look at next."""

    PICKER_LOGS = auto()
    SERVER_LOGS = auto()
    PICKER_SERVICE = auto()
    GATEWAY_SERVICE = auto()
    ROUTES = auto()
    PODS = auto()
    KEY = auto()


@dataclass(frozen=True)
class Rule:
    fits: Callable[[Answer], bool]
    hop: Hop
    cause: str
    """May name `{model}`, the API's `{message}` and the `{server}` that answered."""
    look: Look


SILENCES = {
    Why.REFUSED: (
        Hop.GATEWAY,
        "nothing listens there: the gateway is not running",
        Look.GATEWAY_SERVICE,
    ),
    Why.UNKNOWN: (
        Hop.CLIENT,
        "there is no DNS record of the gateway, or none that is known here",
        Look.GATEWAY_SERVICE,
    ),
    Why.UNREACHABLE: (
        Hop.CLIENT,
        (
            "packets get lost: a firewall, a VPN that is off, or a load balancer without healthy "
            "backends"
        ),
        Look.GATEWAY_SERVICE,
    ),
    Why.TLS: (
        Hop.GATEWAY,
        (
            "its certificate is of an authority that is not trusted here (SSL_CERT_FILE names "
            "another), or it speaks no TLS"
        ),
        Look.ROUTES,
    ),
    Why.CLOSED: (
        Hop.GATEWAY,
        "it hung up: it restarts, or speaks no HTTP on that port",
        Look.PICKER_LOGS,
    ),
    Why.SILENT: (
        Hop.SERVER,
        "nothing comes back: the model server hangs, or has more to do than it can",
        Look.SERVER_LOGS,
    ),
    Why.FORWARD: (
        Hop.GATEWAY,
        (
            "the cluster did not bring the connection to the pod: nothing listens on that port of "
            "it, its node has no kubelet, or you may not `create pods/portforward`"
        ),
        Look.GATEWAY_SERVICE,
    ),
}

# The first that fits is the one.
RULES = (
    Rule(
        lambda answer: bool(answer.cut),
        Hop.SERVER,
        "it ended or hung while it answered, or a timeout of a proxy struck",
        Look.SERVER_LOGS,
    ),
    Rule(
        lambda answer: answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN},
        Hop.GATEWAY,
        "it wants an API key, and LLMD_API_KEY holds none or a wrong one",
        Look.KEY,
    ),
    Rule(
        lambda answer: (
            "inference gateway:" in answer.text
            and ("no pods available" in answer.text or "candidate pods" in answer.text)
        ),
        Hop.POOL,
        "the endpoint picker sees no ready pod: none is, or the pool's selector fits none",
        Look.PODS,
    ),
    Rule(
        lambda answer: answer.status == HTTPStatus.TOO_MANY_REQUESTS,
        Hop.PICKER,
        "it sheds load: the queue or the KV cache of every pod is full",
        Look.PICKER_LOGS,
    ),
    Rule(
        lambda answer: "inference gateway:" in answer.text,
        Hop.PICKER,
        "it turned the request down itself",
        Look.PICKER_LOGS,
    ),
    Rule(
        lambda answer: answer.status == HTTPStatus.NOT_FOUND and bool(api_error(answer)),
        Hop.SERVER,
        "it serves no model called `{model}`: {message}",
        Look.SERVER_LOGS,
    ),
    Rule(
        lambda answer: bool(api_error(answer)),
        Hop.SERVER,
        "it says: {message}",
        Look.SERVER_LOGS,
    ),
    Rule(
        lambda answer: answer.status == HTTPStatus.NOT_FOUND,
        Hop.GATEWAY,
        "it has no route for this path: no HTTPRoute is attached to it",
        Look.ROUTES,
    ),
    Rule(
        lambda answer: answer.status == HTTPStatus.INTERNAL_SERVER_ERROR and not answer.text,
        Hop.PICKER,
        "the gateway got no answer from it over ext_proc: it is down, the gateway's limit of "
        "streams to it is reached (overflow), or TLS between the two fails",
        Look.PICKER_LOGS,
    ),
    Rule(
        lambda answer: "no healthy upstream" in answer.text,
        Hop.PICKER,
        "the gateway knows no healthy endpoint picker, and without one the pool fails closed",
        Look.PICKER_SERVICE,
    ),
    Rule(
        lambda answer: "overflow" in answer.text,
        Hop.GATEWAY,
        "its limit of requests in flight is reached (circuit breaker)",
        Look.ROUTES,
    ),
    Rule(
        lambda answer: "upstream connect" in answer.text,
        Hop.SERVER,
        "the gateway cannot connect to the pod that was picked: nothing listens on the pool's "
        "target port, or a NetworkPolicy is in the way",
        Look.PODS,
    ),
    Rule(
        lambda answer: answer.status == HTTPStatus.GATEWAY_TIMEOUT,
        Hop.GATEWAY,
        "its timeout is shorter than the model's answer",
        Look.ROUTES,
    ),
    Rule(
        lambda answer: answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR,
        Hop.GATEWAY,
        "it cannot pass the request on (server: {server})",
        Look.PICKER_LOGS,
    ),
    Rule(
        lambda _: True,
        Hop.GATEWAY,
        "something other than the models answers there (server: {server})",
        Look.ROUTES,
    ),
)


def explain(stack: Stack, model: Model, outcome: Outcome, expected: str) -> Failed:
    """Name the hop; `expected` says what would have been right."""
    if isinstance(outcome, Lost):
        hop, cause, look = SILENCES[outcome.why]
    else:
        rule = next(rule for rule in RULES if rule.fits(outcome))
        hop, look = rule.hop, rule.look
        cause = rule.cause.format(
            model=model.name,
            message=api_error(outcome),
            server=outcome.headers.get("server", "does not say"),
        )
    return Failed(
        hop=hop,
        seen=outcome.said(),
        expected=expected,
        cause=cause,
        next=command(stack, model, look),
    )


def command(stack: Stack, model: Model, look: Look) -> str:
    return {
        Look.PICKER_LOGS: stack.logs(model.picker),
        Look.SERVER_LOGS: stack.logs(model.decode),
        Look.PICKER_SERVICE: stack.kubectl("get", "service,endpoints", model.picker),
        Look.GATEWAY_SERVICE: stack.gateway(),
        Look.ROUTES: stack.kubectl("get", "gateways,httproutes", "-o", "yaml"),
        Look.PODS: stack.kubectl("get", "pods", "--show-labels", "-o", "wide"),
        Look.KEY: f"LLMD_API_KEY=… make smoke STACK={stack.name}",
    }[look]


def api_error(answer: Answer) -> str:
    """The message of an error in the API's own format; empty where it is none.

    It stands under `error`; older vLLM made it the object itself.
    """
    message: Any = at(answer.json, "error", "message") or answer.json.get("message")
    return message if isinstance(message, str) else ""
