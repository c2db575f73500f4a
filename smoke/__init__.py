"""Asks a deployed stack a few things, hop by hop, and says which hop fails, why, and what to do.

    client -> gateway -> endpoint picker -> pool -> model server

    outputs   what the stack exports: names, addresses
    cluster   the API server, as a few requests        web      HTTP, as an answer or its absence
    workloads what objects say of themselves           answers  what the models answer
    metrics   what the endpoint picker sees            trouble  from an answer to its cause
    visit     all of these in order, for one model     findings how a check ended, and how it reads

Nothing is changed on the cluster: the one thing made is a short-lived token of the endpoint
picker's own account, with which its metrics are read.
"""
