"""What is waited for of an object's status, as the provider's annotation has it.

A path selects one value at most and is compared once: `=` tells the two apart, and `==` is kept.
What a controller has said about an older generation of the object does not count.
"""

PROGRAMMED, ACCEPTED, RESOLVED = "Programmed", "Accepted", "ResolvedRefs"


def condition(kind: str) -> str:
    """Of an object that has its conditions to itself: a Gateway."""
    return f"condition={kind}"


def of_parent(kind: str, gateway: str, controller: str) -> str:
    """Of a route or pool, which each Gateway that it belongs to has its own conditions of.

    What a controller said that served the Gateway before does not count. Not every one signs what
    it says of a pool.
    """
    signed = f"(!@.controllerName || @.controllerName=='{controller}')"
    parent = f"?@.parentRef.name=='{gateway}' && {signed}"
    wanted = f"?@.type=='{kind}' && @.observedGeneration==$.metadata.generation"
    return f"jsonpath={{.status.parents[{parent}].conditions[{wanted}].status}}=True"


def reached_at(host: str, *, from_outside: bool) -> str:
    """Of a Gateway whose status has its Service's name until a load balancer has another for it."""
    # Not by `!=`, which the provider takes for the comparison of what the path selects.
    inside = f"@.value=='{host}'"
    wanted = f"!({inside})" if from_outside else inside
    return f"jsonpath={{.status.addresses[?{wanted}].value}}"
