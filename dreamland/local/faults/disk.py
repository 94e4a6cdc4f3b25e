"""A small disk for PostgreSQL alone, so that it can be full and nothing else is."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

SIZE_MEBIBYTES = 512  # a cluster, its log, and the wins of a long run
CHUNK_BYTES = 1 << 20
MOUNT_SECONDS = 10.0


class SmallDisk:
    """A tmpfs on `place`, where this machine lets us mount one. `missing` says why there is none."""

    def __init__(self, place: Path) -> None:
        self.place, self.missing = place, ""
        self.ballast = place / "ballast"

    def mount(self) -> None:
        """Mounts it, unless it is there from a run that was killed."""
        if os.path.ismount(self.place):
            self.free()
            return
        if os.geteuid() != 0 or not shutil.which("mount"):
            self.missing = "only root can mount a small disk"
            return
        options = f"size={SIZE_MEBIBYTES}m,mode=0755"
        done = subprocess.run(  # noqa: S603  our own words
            ["mount", "-t", "tmpfs", "-o", options, "dreamland-faults", str(self.place)],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=MOUNT_SECONDS,
            check=False,
        )
        if done.returncode:
            self.missing = f"this machine mounts no small disk ({done.stderr.strip()})"

    def unmount(self) -> None:
        """Takes it away, with all that is on it."""
        if os.path.ismount(self.place):
            subprocess.run(["umount", "-l", str(self.place)], timeout=MOUNT_SECONDS, check=False)  # noqa: S603, S607

    def fill(self) -> None:
        """Leaves no byte free."""
        with contextlib.suppress(OSError), self.ballast.open("ab", buffering=0) as file:
            while True:
                os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), CHUNK_BYTES)
                file.seek(0, os.SEEK_END)

    def free(self) -> None:
        """Gives the room back."""
        self.ballast.unlink(missing_ok=True)
