"""What this machine has of what a stack needs: a row each, with the command that mends it.

    python -m preflight STACK

Also called before a real `pulumi up` creates anything; a preview looks at nothing.

    plan, kind of cluster --needs--.
    /proc, podman, docker --look---+--rows--> Row --> table, verdict
"""
