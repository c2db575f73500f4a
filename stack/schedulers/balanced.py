"""The default, and the running requests: what a prefix has drawn to one pod leaves it earlier.

A new question behind a cached prefix scores up to 3 for that pod. The queue's scores reach from 0
for the longest to 1 for the shortest, however short that is, and weigh 2: alone they move nothing,
so that a moment's queue does not scatter prefixes over caches that cannot hold them all. The
default moves a request when the cache is a quarter fuller there, too, which large caches never are;
then a pod that has the most to do keeps getting more. Running requests say so at any cache size,
and weigh 1: with the queue enough to move a request, without it never.
"""

from stack.schedulers import PREFIX_CACHE, Plugin, Scheduler

SCHEDULER = Scheduler(
    plugins=(
        Plugin(type="queue-scorer", weight=2),
        Plugin(type="kv-cache-utilization-scorer", weight=2),
        Plugin(type="prefix-cache-scorer", weight=3, parameters=PREFIX_CACHE),
        Plugin(type="running-requests-size-scorer", weight=1),
    ),
)
