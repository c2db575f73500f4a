"""`python3 -m embedded up|start|stop|down|status|troubles`: what the stack's Command runs.

What to make comes in the environment, so that no value of a stack file ever reaches a shell:

    LLMD_CLUSTER_ROOT   folder of the cluster
    LLMD_CLUSTER_NODES  JSON list of nodes: name, allocatable, labels, taints
    LLMD_CLUSTER_PORT   of the API server; empty takes a free one
"""

import json
import os
import sys
from pathlib import Path

from embedded.cluster import Cluster, ClusterError, Node
from tools import Missing, resolve

ACTIONS = "up, start, stop, down, status, troubles"


def main(action: str) -> None:
    cluster = Cluster(root=Path(os.environ["LLMD_CLUSTER_ROOT"]).absolute(), tools=resolve)
    match action:
        case "up":
            nodes = [Node(**one) for one in json.loads(os.environ["LLMD_CLUSTER_NODES"])]
            port = os.environ.get("LLMD_CLUSTER_PORT")
            print(cluster.up(nodes, port=int(port) if port else None))
            if reason := cluster.simulated():
                print(f"embedded cluster: all pods are simulated: {reason}", file=sys.stderr)
        case "start":
            cluster.start()
        case "stop":
            cluster.stop()
        case "down":
            cluster.down()
        case "status":
            said = {"ready": cluster.ready(), "processes": cluster.running()}
            print(json.dumps(said))
        case "troubles":
            said = {"simulated": cluster.simulated(), "troubles": cluster.troubles()}
            print(json.dumps(said))
        case _:
            sys.exit(f"python3 -m embedded: `{action}`, expected one of {ACTIONS}")


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "")
    except (ClusterError, Missing) as error:
        sys.exit(f"embedded cluster: {error}")
