"""A stack deployed to a control plane on this machine that has the stack's nodes, and taken down.

    python -m rehearsal STACK

What answers is real: admission, definitions and their CEL rules, the scheduler. Nodes and pods are
simulated, and nothing acts on custom resources: what a real cluster's operators, gateways and
device plugins would do is not rehearsed.

    script -------> stage ---------> Pulumi ----> scene --------> report
     what is         what is there    up,          where each      what to
     deployed        before           destroy      pod is          be told
"""
