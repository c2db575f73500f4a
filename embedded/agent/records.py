"""What became of each container, in a file that outlives whatever ran it."""

import json
import time
from pathlib import Path

from embedded.agent.machine import Ended, Running
from embedded.agent.process import replace

Records = dict[str, dict[str, Running | Ended]]
"""Pod -> container -> what is known of it."""

KILLED = 128 + 9


def load(file: Path) -> Records:
    if not file.exists():
        return {}
    return {
        pod: {
            name: Running(**state) if len(state) == 1 else Ended(**state)
            for name, state in containers.items()
        }
        for pod, containers in json.loads(file.read_text()).items()
    }


def save(file: Path, records: Records) -> None:
    replace(file, json.dumps(records, default=vars))


def settle(file: Path) -> None:
    """Whatever was running has been killed, since what ran it is gone."""
    records = load(file)
    now = time.time()
    for containers in records.values():
        for name, state in containers.items():
            if isinstance(state, Running):
                containers[name] = Ended(started=state.started, ended=now, code=KILLED)
    save(file, records)
