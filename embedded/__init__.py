"""The embedded cluster: a real Kubernetes control plane as processes of this machine.

etcd, kube-apiserver, kube-controller-manager and kube-scheduler are the real ones. Nodes are faked
by kwok, and pods where `agent/` cannot run them. Everything listens on loopback and lives in one
folder.

    python3 -m embedded up|start|stop|down|status|troubles

Standard library only, because `pulumi destroy` runs it from state, without the program.
"""
