"""`manage.py up`: all of Dreamland on this machine until Ctrl-C."""

import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.panel import Panel

from dreamland.local.errors import LocalServerError
from dreamland.local.processes import LOOPBACK
from dreamland.local.supervisor import Stack

DEFAULT_PORT = 8000
END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class AskedToEnd(Exception):
    """One of the signals that end a program in order has arrived."""


class Command(BaseCommand):
    help = "Runs PostgreSQL, Valkey, web, worker and beat on this machine until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one (default: %(default)s)")
        parser.add_argument("--host", default=LOOPBACK, help="address to listen on (default: %(default)s)")

    def handle(self, *_args: Any, port: int, host: str, **_options: Any) -> None:
        console = Console()
        for number in END_SIGNALS:
            signal.signal(number, _end)
        stack = Stack(
            host=host, port=port, report=lambda text: console.print(text, markup=False, style="yellow", soft_wrap=True)
        )
        try:
            with console.status("Starting: servers, migrations, web, worker, beat"):
                stack.start()
            console.print(Panel(welcome(stack), title="Dreamland is up", expand=False))
            stack.watch()
        except LocalServerError as error:
            raise CommandError(str(error)) from error
        except AskedToEnd:
            console.print("Stopping ...")
        finally:
            stack.stop()


def welcome(stack: Stack) -> str:
    """Where to click, and with which password, as rich markup."""
    lines = [
        f"Admin  [link]{stack.base_url}/admin/[/link]",
        f"API    [link]{stack.base_url}/v1/[/link]",
        f"Docs   [link]{stack.base_url}/v1/docs[/link]",
        f"Logs   {stack.logs}",
    ]
    if stack.admin_password is not None:
        lines += ["", f"Log in as [bold]admin[/bold] with [bold]{stack.admin_password}[/bold] (shown this once)."]
    lines += ["", "A new password: manage.py changepassword admin", "The end: Ctrl-C"]
    return "\n".join(lines)


def _end(*_: object) -> None:
    for number in END_SIGNALS:  # the end has begun and is bounded: hurrying it would leave less in order
        signal.signal(number, signal.SIG_IGN)
    raise AskedToEnd
