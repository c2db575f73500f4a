"""`python ordinary.py [--alone] COMMAND …`: run it as an ordinary user, whoever runs this.

In a user namespace of its own; the machine's settings stay as they are. `--alone`: as one to whom
the kernel gives no further namespaces.
"""

import os
import sys
from pathlib import Path

from embedded.agent import container, syscalls

LIMIT = Path("/proc/sys/user/max_user_namespaces")
ALONE = "--alone"
USER = 1000

if __name__ == "__main__":
    outer_user, outer_group = os.geteuid(), os.getegid()
    syscalls.unshare(syscalls.NEW_USER)
    container.map_ids(user=USER, group=USER, outer_user=outer_user, outer_group=outer_group)
    command = sys.argv[1:]
    if command[0] == ALONE:
        LIMIT.write_text("0")
        command.pop(0)
    os.execv(command[0], command)  # noqa: S606 - what the test asks for
