"""`python refused.py COMMAND …`: run it as an ordinary user to whom the kernel gives no namespaces.

In a user namespace of its own, whose limit of further ones is none: the machine's stays as it is.
"""

import os
import sys
from pathlib import Path

from embedded.agent import container, syscalls

LIMIT = Path("/proc/sys/user/max_user_namespaces")
USER = 1000

if __name__ == "__main__":
    outer_user, outer_group = os.geteuid(), os.getegid()
    syscalls.unshare(syscalls.NEW_USER)
    container.map_ids(user=USER, group=USER, outer_user=outer_user, outer_group=outer_group)
    LIMIT.write_text("0")
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - what the test asks for
