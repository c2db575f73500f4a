"""The shortest queue, whatever is cached where."""

from stack.schedulers import Plugin, Scheduler

SCHEDULER = Scheduler(
    plugins=(Plugin(type="queue-scorer", weight=1),),
)
