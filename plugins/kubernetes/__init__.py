"""A stand-in for the vendor's Kubernetes plugin, where that one cannot be downloaded.

It keeps the vendor's contract (as read in pulumi-kubernetes 4.32) for all that this project's
program uses, so that the vendor's binary can take its place. It is not the vendor's plugin.

From the engine inwards::

    __main__     starts the server
    provider     the provider itself, and to whom each resource goes
    objects      one method for each call that concerns an object: the order of things
    writing      how an object is made, and owned by apply
    settings     the provider's own options: names, environment, defaults
    link         the way to the cluster, sought while the engine goes on
    access       from a kubeconfig to one context of it, or why there is no way
    connection   the official client for it: credentials, TLS, HTTP
    cluster      requests to the API server, and what kinds it serves
    awaiting     until an object is ready, or gone, or time is up
    diagnosis    why something is not ready: pods, containers, events

Helm releases, by the helm binary::

    helm_release    one method for each call that concerns a Release
    release_inputs  what a program may say of one, and what it means to helm
    charts          where a chart comes from
    helm            the binary, run for one cluster

Pure functions on plain objects, without a cluster::

    kinds        type tokens, scopes, which fields cannot change
    naming       names for objects that the program left without one, and ids
    state        what lies in the engine's state: inputs, outputs, secrets; previews of them
    drift        inputs as they are in the cluster
    diff         what changed, and what of it replaces the object
    ownership    field managers: who owns what on the server
    readiness    whether an object of a kind is ready
    waitfor      the annotation `pulumi.com/waitFor`
    errors       the API server's refusals as one clear line

What the state holds is the vendor's: inputs as checked; outputs are the live object and, besides,
`__inputs`, `__initialApiVersion` and `__fieldManager`.
"""
