"""Bury the services of a supervisor that has died and whose services do not end.

`undertaker.py <seconds>` is run as a script by the supervisor, which tells it on its standard input what process groups
there are, all of them in every line. When that input ends, the supervisor has died or has ended in order. What then is
left has been asked to end by the kernel (`leash`); here it is given so many seconds and killed.
"""

import os
import signal
import sys
import time

POLL_SECONDS = 0.1


def alive(groups: set[int], number: int) -> set[int]:
    """The groups that still have a process, after sending them the signal (0: none)."""
    left = set()
    for group in groups:
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            continue
        except PermissionError:  # macOS says so of zombies
            continue
        left.add(group)
    return left


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        groups = {int(word) for word in line.split()}
    groups = alive(groups, 0 if sys.platform == "linux" else signal.SIGTERM)
    deadline = time.monotonic() + float(sys.argv[1])
    while groups and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        groups = alive(groups, 0)
    alive(groups, signal.SIGKILL)


if __name__ == "__main__":
    main()
