"""Acting in one cell of a world on this machine: its database is Django's for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from django.db import connection

from dreamland.world.clusters import World


@contextmanager
def acting_in(world: World, name: str) -> Iterator[None]:
    """Inside, Django's default database is this cell's. For trials on one machine; in production a process has one."""
    parts = urlsplit(world.cells[name].url)
    before = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict.update(
        HOST=parts.hostname, PORT=parts.port, NAME=parts.path[1:], USER=parts.username, PASSWORD=parts.password
    )
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)
