"""Prometheus's own words for what monitors select, as its operator would write them.

For a Prometheus without an operator: the embedded cluster's.
"""

from collections.abc import Iterable, Mapping
from typing import Any

TOKENS = "/var/run/secrets/monitors"
"""Folder with a folder for each Secret that a monitor takes its token from."""
ROLES = {"PodMonitor": "pod", "ServiceMonitor": "endpointslice"}
Object = Mapping[str, Any]


def scrape_configs(monitors: Iterable[Object]) -> list[dict[str, Any]]:
    """One for each endpoint of each PodMonitor and ServiceMonitor, in its own namespace."""
    return [
        _scrape_config(monitor, endpoint, f"{at}")
        for monitor in monitors
        for at, endpoint in enumerate(_endpoints(monitor))
    ]


def secrets(monitors: Iterable[Object]) -> dict[str, str]:
    """Name of each Secret that is asked for -> the key in it."""
    asked = [
        endpoint["authorization"]["credentials"]
        for monitor in monitors
        for endpoint in _endpoints(monitor)
        if "authorization" in endpoint
    ]
    return {one["name"]: one["key"] for one in asked}


def _endpoints(monitor: Object) -> list[Any]:
    return monitor["spec"]["podMetricsEndpoints" if _is_pods(monitor) else "endpoints"]


def _is_pods(monitor: Object) -> bool:
    return monitor["kind"] == "PodMonitor"


def _scrape_config(monitor: Object, endpoint: Object, at: str) -> dict[str, Any]:
    name, namespace = monitor["metadata"]["name"], monitor["metadata"]["namespace"]
    config: dict[str, Any] = {
        "job_name": f"{monitor['kind']}/{namespace}/{name}/{at}",
        "scrape_interval": endpoint["interval"],
        "scrape_timeout": endpoint["scrapeTimeout"],
        "metrics_path": endpoint["path"],
        "kubernetes_sd_configs": [
            {"role": ROLES[monitor["kind"]], "namespaces": {"names": [namespace]}}
        ],
        "relabel_configs": [
            *_selected(monitor, endpoint),
            *_labelled(monitor, endpoint),
            *map(_relabeling, endpoint["relabelings"]),
        ],
    }
    if "authorization" in endpoint:
        asked = endpoint["authorization"]["credentials"]
        config["authorization"] = {"credentials_file": f"{TOKENS}/{asked['name']}/{asked['key']}"}
    return config


def _selected(monitor: Object, endpoint: Object) -> list[dict[str, Any]]:
    """Keep what the monitor selects by its labels and the port's name, and pods that live."""
    owner = "pod" if _is_pods(monitor) else "service"
    port = "pod_container_port_name" if _is_pods(monitor) else "endpointslice_port_name"
    kept = [
        _keep(f"{owner}_label_{_labelname(label)}", value)
        for label, value in monitor["spec"]["selector"]["matchLabels"].items()
    ]
    over = {
        "source_labels": ["__meta_kubernetes_pod_phase"],
        "regex": "(Failed|Succeeded)",
        "action": "drop",
    }
    return [*kept, _keep(port, endpoint["port"]), over]


def _keep(meta: str, value: str) -> dict[str, Any]:
    return {"source_labels": [f"__meta_kubernetes_{meta}"], "regex": value, "action": "keep"}


def _labelled(monitor: Object, endpoint: Object) -> list[dict[str, Any]]:
    copied = {"namespace": "namespace", "pod": "pod_name", "container": "pod_container_name"}
    if not _is_pods(monitor):
        copied |= {"job": "service_name"}
    constant = {"endpoint": endpoint["port"]}
    if _is_pods(monitor):
        constant["job"] = f"{monitor['metadata']['namespace']}/{monitor['metadata']['name']}"
    return [
        *(
            {"source_labels": [f"__meta_kubernetes_{meta}"], "target_label": label}
            for label, meta in copied.items()
        ),
        *({"target_label": label, "replacement": value} for label, value in constant.items()),
    ]


def _relabeling(said: Object) -> dict[str, Any]:
    return {"target_label": said["targetLabel"], "replacement": said["replacement"]}


def _labelname(label: str) -> str:
    return "".join(one if one.isalnum() else "_" for one in label)
