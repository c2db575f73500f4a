"""Any pod, by chance: what a scheduler is compared with.

No endpoint picker has taken turns since the first stable one: this is what the releases have.
"""

from stack.schedulers import Plugin, Scheduler

SCHEDULER = Scheduler(
    plugins=(Plugin(type="random-picker"),),
)
