"""Any pod, by chance: what a scheduler is compared with."""

from stack.schedulers import Plugin, Scheduler

SCHEDULER = Scheduler(
    plugins=(Plugin(type="random-picker"),),
)
