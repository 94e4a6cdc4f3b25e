"""Lines that are on the disk when the call returns."""

import os
from pathlib import Path

import pytest

from dreamland.lib.durable import append_line


def test_a_line_is_written_before_it_is_synced_and_synced_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not synced is lost with the machine, and the database goes on without it."""
    path, synced = tmp_path / "list", list[tuple[int, bytes]]()
    fsync = os.fsync

    def listen(descriptor: int) -> None:
        fsync(descriptor)
        synced.append((os.fstat(descriptor).st_ino, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", listen)
    for line in ("one", "two"):
        append_line(path, line, mode=0o600)
    inode = path.stat().st_ino
    assert synced == [(inode, b"\none\n"), (inode, b"\none\n\ntwo\n")]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_that_a_crash_cut_off_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"\nwhole\n\ncut o")
    append_line(path, "next", mode=0o600)
    assert path.read_text().split() == ["whole", "cut", "o", "next"]
    assert "next" in path.read_text().splitlines()
