"""What the proxies in front of the pools call their metrics, by whose Envoys they are."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ProxyMetrics:
    port: str
    """Name of the container's port that serves them."""
    path: str
    answers: str
    """Counter of answers to clients."""
    only: str
    """Labels that leave out what it counts beside those."""
    by: str
    """Label with the status of an answer, or with its class."""
    legend: str
    retries: str | None
    """Counter of requests that were sent again, by `envoy_cluster_name`."""
    needs: str = ""
    """What the proxies have to have for it."""


STANDALONE = ProxyMetrics(
    port="admin",
    path="/stats/prometheus",
    answers="envoy_http_downstream_rq_xx",
    only='envoy_http_conn_manager_prefix="inference"',
    by="envoy_response_code_class",
    legend="{{envoy_response_code_class}}xx",
    retries="envoy_cluster_upstream_rq_retry",
)
ISTIO = ProxyMetrics(
    port="http-envoy-prom",
    path="/stats/prometheus",
    answers="istio_requests_total",
    # A Gateway's proxy is the one that asks.
    only='reporter="source"',
    by="response_code",
    legend="{{response_code}}",
    retries=None,
    needs="Istio's own Envoy, in whose place the embedded cluster has another",
)
