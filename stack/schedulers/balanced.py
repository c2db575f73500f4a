"""The default, and the running requests: a pod that prefixes have made busy sheds some earlier.

A new question behind a cached prefix scores nearly 3 for that pod. Queues score from 0 for the
longest to 1 for the shortest, however short that is, and weigh 2: alone they move nothing, so that
a moment's queue does not scatter prefixes over caches that cannot hold them all. The default moves
a request if that pod's cache is a quarter fuller too, which large caches never are: the busiest pod
keeps getting more. Running requests tell the busy from the idle whatever the size of the cache, and
weigh 1: enough to move a request together with a queue, and too little without one.
"""

from stack.schedulers import PREFIX_CACHE, Plugin, Scheduler

SCHEDULER = Scheduler(
    plugins=(
        Plugin(type="queue-scorer", weight=2),
        Plugin(type="kv-cache-utilization-scorer", weight=2),
        Plugin(type="prefix-cache-scorer", weight=3, parameters=PREFIX_CACHE),
        Plugin(type="running-requests-size-scorer", weight=2),
    ),
)
