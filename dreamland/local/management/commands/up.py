"""`manage.py up`: all of Dreamland on this machine until Ctrl-C."""

import os
import signal
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.panel import Panel

from dreamland.local.errors import LocalServerError
from dreamland.local.processes import LOOPBACK
from dreamland.local.supervisor import Stack

DEFAULT_PORT = 8000
FACTOR = (
    "Then an authenticator app scans a QR code, once. To try it out without:\n"
    "  manage.py up --without-second-factor   (for this machine only)"
)
NO_FACTOR = "A password alone opens the back-office, because you said so."
END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class AskedToEnd(Exception):
    """One of the signals that end a program in order has arrived."""


class Command(BaseCommand):
    help = "Runs PostgreSQL, Valkey, web, worker and beat on this machine until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one (default: %(default)s)")
        parser.add_argument(
            "--without-second-factor", action="store_true", help="unsafe: a password alone opens the back-office"
        )
        parser.add_argument("--host", default=LOOPBACK, help="address to listen on (default: %(default)s)")

    def handle(self, *_args: Any, port: int, host: str, without_second_factor: bool, **_options: Any) -> None:
        if without_second_factor:
            os.environ["STAFF_SECOND_FACTOR"] = "false"  # for web, which is started from here
        console = Console()
        for number in END_SIGNALS:
            signal.signal(number, _end)
        stack = Stack(
            host=host, port=port, report=lambda text: console.print(text, markup=False, style="yellow", soft_wrap=True)
        )
        try:
            with console.status("Starting: servers, migrations, web, worker, beat"):
                stack.start()
            text = welcome(stack, second_factor=settings.STAFF_SECOND_FACTOR and not without_second_factor)
            console.print(Panel(text, title="Dreamland is up", expand=False))
            stack.watch()
        except LocalServerError as error:
            raise CommandError(str(error)) from error
        except AskedToEnd:
            console.print("Stopping ...")
        finally:
            stack.stop()


def welcome(stack: Stack, *, second_factor: bool = True) -> str:
    """Where to click, with which password, and what comes after it, as rich markup."""
    lines = [
        f"Admin  [link]{stack.base_url}/admin/[/link]",
        f"API    [link]{stack.base_url}/v1/[/link]",
        f"Docs   [link]{stack.base_url}/v1/docs[/link]",
        f"Logs   {stack.logs}",
    ]
    if stack.admin_password is not None:
        lines += ["", f"Log in as [bold]admin[/bold] with [bold]{stack.admin_password}[/bold] (shown this once)."]
    lines += ["", FACTOR if second_factor else NO_FACTOR]
    lines += ["", "A new password: manage.py changepassword admin", "The end: Ctrl-C"]
    return "\n".join(lines)


def _end(*_: object) -> None:
    for number in END_SIGNALS:  # the end has begun and is bounded: hurrying it would leave less in order
        signal.signal(number, signal.SIG_IGN)
    raise AskedToEnd
