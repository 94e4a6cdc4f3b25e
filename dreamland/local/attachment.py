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
VARIABLES = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL"}
LOCAL_DEFAULTS = {"ENVIRONMENT": "local", "INSECURE_HTTP": "1", "ALLOWED_HOSTS": "127.0.0.1,localhost"}


@dataclass(frozen=True)
class Servers:
    """Where the servers are. `embedded` names those that are ours: of "postgres" and "valkey"."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    embedded: frozenset[str] = frozenset()
    root: Path = ROOT


_attached: Servers | None = None
_held: "list[files.Lock]" = []  # until this process ends


def attach(root: Path | None = None, durable: bool = True) -> Servers:
    """Give this process PostgreSQL and Valkey: those of DATABASE_URL and REDIS_URL, embedded ones for what is unset.

    A variable counts as set when it has a value in the environment or in `.env` beside `root`. The URL of an embedded
    server is put into the environment, and with an embedded PostgreSQL also what Dreamland needs to run locally
    (SECRET_KEY, ENVIRONMENT, INSECURE_HTTP, ALLOWED_HOSTS) where unset. The servers are shared by all processes of the
    checkout and stay until the last of them has ended. A second call in one process gives the same answer.

    `root` is the directory that holds data, logs and secrets: `.local` of the checkout by default, and `.local/test`
    with `durable=False`, which makes PostgreSQL faster and its data worthless after a crash of the machine.

    Raises LocalServerError, whose message says the way out.
    """
    global _attached
    if _attached is not None and root in (None, _attached.root):
        return _attached
    root = (root or (ROOT if durable else FAST_ROOT)).resolve()
    known = _read_dotenv((CHECKOUT if root in (ROOT, FAST_ROOT) else root.parent) / ".env")
    known.update({name: value for name, value in os.environ.items() if value})
    missing = [server for server, variable in VARIABLES.items() if variable not in known]
    if missing:
        known.update(_embedded(missing, root, durable))
        if "postgres" in missing:
            _set_local_defaults(known, root)
    servers = Servers(known["DATABASE_URL"], known["REDIS_URL"], frozenset(missing), root)
    _attached = servers
    return servers


def _embedded(missing: list[str], root: Path, durable: bool) -> dict[str, str]:
    """Have the missing servers running; their URLs, by the variables that are now set to them."""
    if sys.platform == "win32":
        raise LocalServerError("The embedded servers need Linux or macOS. Set DATABASE_URL and REDIS_URL.")
    from dreamland.local.client import Client

    try:
        clients = {VARIABLES[server]: Client(server, root, durable=durable) for server in missing}
        try:
            for client in clients.values():  # both start at the same time
                client.begin()
            urls = {variable: client.finish() for variable, client in clients.items()}
        except BaseException:
            for client in clients.values():
                client.leave()
            raise
    except OSError as error:
        raise LocalServerError(
            f"The embedded servers cannot use {root}: {error}. If another user made it, run as that user or move it "
            "away. Or set DATABASE_URL and REDIS_URL to servers of your own."
        ) from error
    _held.extend(client.in_use for client in clients.values())
    os.environ.update(urls)
    return urls


def _set_local_defaults(known: dict[str, str], root: Path) -> None:
    """Put what Dreamland needs to run locally into the environment, where it is not set anywhere."""
    from dreamland.local import files

    for name, value in LOCAL_DEFAULTS.items():
        if name not in known:
            os.environ[name] = value
    if "SECRET_KEY" not in known:
        os.environ["SECRET_KEY"] = files.secret(root / "secret-key", 48)


def _read_dotenv(path: Path) -> dict[str, str]:
    """The variables with a value in a `.env` file, as django-environ will read them for the settings."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return {}
    found = re.findall(r"^(?:export )?([A-Za-z_0-9]+)=(.*)$", text, re.MULTILINE)
    values = {name: value.strip() for name, value in found}
    return {name: value.strip("\"'") for name, value in values.items() if value.strip("\"'")}
