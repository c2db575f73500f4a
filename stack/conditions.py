"""What is waited for of an object's status, as the provider's annotation has it.

A path selects one value at most and is compared once: `=` tells the two apart, and `==` is kept.
What a controller has said about an older generation of the object does not count.
"""

PROGRAMMED, ACCEPTED, RESOLVED = "Programmed", "Accepted", "ResolvedRefs"


def condition(kind: str) -> str:
    """Of an object that has its conditions to itself: a Gateway."""
    return f"condition={kind}"


def of_parent(kind: str, gateway: str) -> str:
    """Of a route or pool, which each Gateway that it belongs to has its own conditions of."""
    parent = f"?@.parentRef.name=='{gateway}'"
    wanted = f"?@.type=='{kind}' && @.observedGeneration==$.metadata.generation"
    return f"jsonpath={{.status.parents[{parent}].conditions[{wanted}].status}}=True"
