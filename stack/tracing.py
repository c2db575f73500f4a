"""Traces of requests, from the endpoint picker and the model servers to an OTLP endpoint."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from stack import config
from stack.ground import Ground
from stack.problems import wrong
from stack.releases import Release

FLAG = "--otlp-traces-endpoint"


def problems(stack: config.Stack, release: Release) -> Iterator[str]:
    asked = stack.monitoring.tracing
    if asked and not release.traces:
        yield wrong(
            "monitoring.tracing.endpoint",
            asked.endpoint,
            f"left out with release {stack.release}, whose model servers have no tracing; "
            "use release v0.5 or later",
        )


def traced(stack: config.Stack, ground: Ground) -> Ground:
    """With model servers that send traces, as far as a stack's file has them do so."""
    asked = stack.monitoring.tracing
    if not asked or ground.target.server != "vllm":
        return ground
    server = ground.server
    told = replace(
        server,
        args=(*server.args, f"{FLAG}={asked.endpoint}"),
        env={**server.env, **environment(asked, "vllm")},
    )
    servers = {**ground.release.servers, ground.hardware: told}
    return replace(ground, release=replace(ground.release, servers=servers))


def of_picker(stack: config.Stack) -> Mapping[str, str]:
    """Environment of an endpoint picker; empty where it makes no traces."""
    asked = stack.monitoring.tracing
    return environment(asked, "endpoint-picker") if asked else {}


def environment(asked: config.Tracing, service: str) -> Mapping[str, str]:
    """In OpenTelemetry's words, which every program understands."""
    return {
        "OTEL_SERVICE_NAME": service,
        "OTEL_EXPORTER_OTLP_ENDPOINT": asked.endpoint,
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": f"{asked.share:g}",
    }
