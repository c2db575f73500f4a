"""LeaderWorkerSet: pods that start, serve and fail together, one replica over several machines."""

from stack.charts import Chart
from stack.crd_bundles import CrdBundle, CrdFile

API = "leaderworkerset.x-k8s.io/v1"
LEADER_ADDRESS, INDEX = "LWS_LEADER_ADDRESS", "LWS_WORKER_INDEX"
"""Set in every container by its controller."""

CONTROLLER = Chart(
    name="lws",
    namespace="lws-system",
    chart="oci://registry.k8s.io/lws/charts/lws",
    version="0.7.0",
    values={"image": {"manager": {"tag": "v0.7.0", "pullPolicy": "IfNotPresent"}}},
)
"""With its definition."""

CRDS = CrdBundle(
    module="sigs.k8s.io/lws",
    repository="kubernetes-sigs/lws",
    version="v0.7.0",
    annotation=None,
    files=(
        CrdFile(
            path="config/crd/bases/leaderworkerset.x-k8s.io_leaderworkersets.yaml",
            sha256="1f0a68582d5aea22c6b422747a09b1fb7f7768a4f741ae14b7d0abb46e3be5d2",
        ),
    ),
)
