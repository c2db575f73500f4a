"""The embedded cluster: a real Kubernetes control plane as processes of this machine.

etcd, kube-apiserver, kube-controller-manager and kube-scheduler are the real ones; nodes and
pods are faked by kwok. Everything listens on loopback and lives in one folder.

    python3 -m embedded up|start|stop|down|status

Standard library only, because `pulumi destroy` runs it from state, without the program.
"""
