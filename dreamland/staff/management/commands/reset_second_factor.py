"""`manage.py reset_second_factor`: where nobody is left who could do it in the browser."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dreamland.lib.errors import DomainError
from dreamland.lib.trail.actor import acting
from dreamland.staff.factors import reset_factor

USAGE = 2


class Command(BaseCommand):
    help = "Lets somebody who lost the device set up a new one at the next sign-in. Another person asks for it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="whose")
        parser.add_argument("--as", dest="by", required=True, metavar="USER", help="who asks for it: another person")
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, user: str, by: str, reason: str, **options: Any) -> None:
        people = {person.username: person for person in User.objects.filter(username__in=[user, by], is_active=True)}
        if missing := sorted({user, by} - people.keys()):
            raise CommandError(f"nobody active is called {' or '.join(missing)}", returncode=USAGE)
        try:
            with acting(people[by].pk):
                reset_factor(user=people[user], by=people[by], reason=reason)
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(f"{user} sets up a new device at the next sign-in")
