"""Become another program that does not outlive the process that asked for it: `leash.py <signal> <parent> <program> …`.

Run as a script, isolated and without site packages, so it costs a few milliseconds. A program of its own and not a
`preexec_fn`, because the supervisor has threads. Elsewhere than on Linux it only becomes the program.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    death_signal, parent, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        if ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
            sys.exit("the kernel refuses PR_SET_PDEATHSIG")
        if os.getppid() != parent:  # it died before we asked
            sys.exit("the supervisor is gone")
    os.execv(program[0], program)  # noqa: S606  that is what it is for


if __name__ == "__main__":
    main()
