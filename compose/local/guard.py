"""The process that outlives the launcher by a moment, to leave nothing behind when that is killed.

Reads process groups from stdin, one a line, a negative number to forget one. The end of stdin, which the kernel brings
about however the launcher ends, makes it kill what it still remembers. A parent-death signal would not do: it follows
the thread that started the child, and does not reach the children of the child.
It holds the lock of the data folder, inherited, until they are gone. Runs without site-packages, hence on its own.
"""

import os
import signal
import sys
import time
from pathlib import Path

DEADLINE_S = 10.0


def running(pid: int) -> bool:
    """Whether a process exists and is more than a zombie, which a container's first process may never collect."""
    return _group(pid) is not None


def alive(group: int) -> bool:
    """Whether any process of the group is left."""
    return any(_group(int(entry.name)) == group for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _group(pid: int) -> int | None:
    """The process group of a running process, from proc_pid_stat(5); None for zombies and for what is gone."""
    try:
        state, _, group = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[:3]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in b"ZX" else int(group)


def kill(group: int) -> None:
    """Ends a process group at once, stopped processes included."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def main() -> None:
    """Remembers groups until the end of stdin, then kills them."""
    groups: set[int] = set()
    for line in sys.stdin:
        number = int(line)
        if number > 0:
            groups.add(number)
        else:
            groups.discard(-number)
    for group in groups:
        kill(group)
    deadline = time.monotonic() + DEADLINE_S
    while any(alive(group) for group in groups) and time.monotonic() < deadline:
        time.sleep(0.02)


if __name__ == "__main__":
    main()
