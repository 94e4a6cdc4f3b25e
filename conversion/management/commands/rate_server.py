"""`manage.py rate_server`: a rate API on this machine that can be told to fail."""

import argparse
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversion.rate_server import FAULTS, SLOW_SECONDS, RateServer

PORT = 8_900


def share(text: str) -> Decimal:
    """A share from 0 to 1."""
    with suppress(InvalidOperation):
        if 0 <= (value := Decimal(text)) <= 1:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is no share from 0 to 1")


class Command(BaseCommand):
    help = "Answers for the rate API (docs/operations.md) until Ctrl-C. For development; never in production."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--price", default="0.15", help="USD for one DREAM (0.15)")
        parser.add_argument("--port", type=int, default=PORT, help=f"on 127.0.0.1 ({PORT}); 0: any that is free")
        parser.add_argument("--fault", default="", metavar="NAME[,NAME]", help=f"in turns: {', '.join(FAULTS)}")
        parser.add_argument("--share", type=share, default=Decimal(1), help="of the requests that get a fault (1)")
        parser.add_argument("--seed", type=int, default=0, help="which ones; the same seed, the same ones (0)")
        parser.add_argument("--slow-seconds", type=int, default=SLOW_SECONDS, help="how slow is slow")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            server = RateServer(
                price=options["price"],
                faults=[name for name in options["fault"].split(",") if name],
                share=options["share"],
                seed=options["seed"],
                port=options["port"],
                slow_seconds=options["slow_seconds"],
            )
        except (ValueError, OSError) as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(f"RATE_PROVIDERS=http RATE_HTTP_URL={server.url}")
        self.stdout.flush()
        with suppress(KeyboardInterrupt):
            server.serve_forever()
