"""Lines that are on the disk when the call returns: lists that must outlive the database."""

import os
from pathlib import Path


def append_line(path: str | Path, line: str, *, mode: int) -> None:
    """Adds a line at the end, synced. `mode` is that of a file that is not there yet. Raises OSError.

    In one write, and behind a line break of its own: what a crash cut off stays a line by itself and spoils no other.
    Readers skip empty lines.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, mode)
    try:
        os.write(descriptor, f"\n{line}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
