"""The client's side: use the servers that run for this checkout, or have them started."""

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dreamland.local.errors import LocalServerError

if TYPE_CHECKING:  # needs a Unix; a machine whose URLs are set need not be one
    from dreamland.local import files

CHECKOUT = Path(__file__).resolve().parents[2]
ROOT = CHECKOUT / ".local"
# Tests run without fsync, so they keep away from the data that somebody cares for.
FAST_ROOT = ROOT / "test"
# The demo empties its servers first.
DEMO_ROOT = ROOT / "demo"
# The demonstration starts from nothing every time, and has nothing to do with the data of `up`.
DEMO_ROOT = ROOT / "demo"
VARIABLES = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL"}
LOCAL_DEFAULTS = {"ENVIRONMENT": "local", "INSECURE_HTTP": "1", "ALLOWED_HOSTS": "127.0.0.1,localhost"}


@dataclass(frozen=True)
class Servers:
    """Where the servers are. `embedded` names those that are ours: of "postgres" and "valkey"."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    embedded: frozenset[str] = frozenset()
    root: Path = ROOT


@dataclass
class _Process:
    """What this process has been given."""

    attached: Servers | None = None
    provided: dict[str, str] = field(default_factory=dict)  # what we have put into the environment
    held: "list[files.Lock]" = field(default_factory=list)  # until this process ends


_process = _Process()


def attach(root: Path | None = None, durable: bool = True) -> Servers:
    """Give this process PostgreSQL and Valkey: those of DATABASE_URL and REDIS_URL, embedded ones for what is unset.

    A variable counts as set when it has a value in the environment, or in `.env` of the checkout (beside `root` where
    that is elsewhere). The URL of an embedded server is put into the environment, and with an embedded PostgreSQL also
    what Dreamland needs to run locally (SECRET_KEY, VAULT_KEY_DIR, ERASURE_LIST and LOCAL_DEFAULTS) where unset. The
    servers are shared by all processes of the checkout and stay until the last of them has ended. A second call in one
    process gives the same answer.

    `root` is the directory that holds data, logs and secrets: `.local` of the checkout by default, and `.local/test`
    with `durable=False`, which makes PostgreSQL faster and its data worthless after a crash of the machine.

    Raises LocalServerError, whose message says the way out.
    """
    if _process.attached is not None and root in (None, _process.attached.root):
        return _process.attached
    root = (root or (ROOT if durable else FAST_ROOT)).resolve()
    known = _set_by_user(root)
    missing = [server for server, variable in VARIABLES.items() if variable not in known]
    if missing:
        _provide(_embedded(missing, root, durable))
        if "postgres" in missing:
            _provide(local_defaults(root))
    urls = known | _process.provided
    _process.attached = Servers(urls["DATABASE_URL"], urls["REDIS_URL"], frozenset(missing), root)
    return _process.attached


def local_defaults(root: Path) -> dict[str, str]:
    """What Dreamland needs to run on this machine and the user has not set. Secrets are made up once for `root`."""
    from dreamland.local import files

    files.make_directory(root, 0o755 if os.geteuid() == 0 else 0o700)
    keys = root / "vault-keys"
    files.make_directory(keys, 0o700)
    if not any(keys.glob("0*")):  # the first epoch: 24 random bytes are 32 letters, as long as a key is
        files.secret(keys / "000001.key", 24)
    defaults = {
        **LOCAL_DEFAULTS,
        "SECRET_KEY": files.secret(root / "secret-key", 48),
        "VAULT_KEY_DIR": str(keys),
        "ERASURE_LIST": str(root / "erasures.jsonl"),
    }
    known = _set_by_user(root)
    return {name: value for name, value in defaults.items() if name not in known}


def _embedded(missing: list[str], root: Path, durable: bool) -> dict[str, str]:
    """Have the missing servers running and claimed until this process ends; the variables with their URLs.

    Raises LocalServerError when one of them cannot be had.
    """
    if sys.platform == "win32":
        raise LocalServerError("The embedded servers need Linux or macOS. Set DATABASE_URL and REDIS_URL.")
    from dreamland.local.client import Client

    clients: list[Client] = []
    try:
        for server in missing:  # both start at the same time
            clients.append(Client(server, root, durable=durable))
            clients[-1].begin()
        urls = {VARIABLES[client.name]: client.finish() for client in clients}
    except BaseException as error:
        for client in clients:
            client.leave()
        if not isinstance(error, OSError):
            raise
        raise LocalServerError(
            f"The embedded servers cannot use {root}: {error}. If another user made it, run as that user or move it "
            "away. Or set DATABASE_URL and REDIS_URL to servers of your own."
        ) from error
    _process.held.extend(client.in_use for client in clients)
    return urls


def _provide(variables: dict[str, str]) -> None:
    """Put variables into the environment and remember that the user did not."""
    os.environ.update(variables)
    _process.provided.update(variables)


def _set_by_user(root: Path) -> dict[str, str]:
    """The variables that have a value which does not come from us: in the environment, or else in `.env`.

    An empty variable hides the one in `.env`, as it does when the settings are read.
    """
    from_file = _read_dotenv((CHECKOUT if root.is_relative_to(ROOT) else root.parent) / ".env")
    from_environment = {name: value for name, value in os.environ.items() if _process.provided.get(name) != value}
    return {name: value for name, value in (from_file | from_environment).items() if value}


def _read_dotenv(path: Path) -> dict[str, str]:
    """The variables of a `.env` file, as django-environ will read them for the settings."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return {}
    found = re.findall(r"^(?:export )?([A-Za-z_0-9]+)=(.*)$", text, re.MULTILINE)
    return {name: value.strip().strip("\"'") for name, value in found}
