"""How long this project takes, beside what else one could do, in one run on one machine.

    .venv/bin/python -m bench [--rounds N]

    preview        of the deployed `embedded` stack    beside an empty Pulumi program
    no-op `up`     of the deployed `embedded` stack    beside an empty Pulumi program
    first `up`     on a cluster that runs already      beside `kubectl apply --server-side`
    plan, preview  of 1, 10 and 100 models             beside each other, in processor time

The sides take turns, so that a busy moment of the machine meets both; the first turn of each warms
the caches and is left out. Nothing of the user's is touched: backend, stacks and clusters are the
bench's own, and are gone when it ends, however it ends.
"""
