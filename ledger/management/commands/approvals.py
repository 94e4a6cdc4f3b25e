"""`manage.py approvals`: what people may do to money and its rules; one asks, another one decides."""

import json
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dreamland.lib.console import console, print_json, table
from dreamland.lib.errors import DomainError
from ledger import book

USAGE = 2
SHOWN = 50


class Command(BaseCommand):
    help = (
        "Shows the latest requests and the kinds there are. --ask KIND asks, with --payload, --reason and --reference;"
        " --approve, --refuse and --withdraw decide; all with --as, and the database refuses who asked. Exits 2 for"
        " whatever is refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--ask", metavar="KIND", help="ask for something of this kind")
        what.add_argument("--preview", metavar="KIND", help="what it would do now; nothing is asked")
        what.add_argument("--approve", type=UUID, metavar="REQUEST", help="do what was asked; never by who asked")
        what.add_argument("--refuse", type=UUID, metavar="REQUEST", help="say no, with --word")
        what.add_argument("--withdraw", type=UUID, metavar="REQUEST", help="take back what one asked")
        parser.add_argument("--as", dest="user", metavar="USER", help="the name of who asks or decides")
        parser.add_argument("--payload", default="{}", metavar="JSON", help="what it consists of, in strings")
        parser.add_argument("--reason", default="", metavar="CODE", help="one of the kind's reasons")
        parser.add_argument("--reference", default="", help="where the reason can be looked up; the payment's own")
        parser.add_argument("--word", default="", help="what goes with it: a note, or why not")
        parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            told = self._done(**options)
        except DomainError as error:
            self.stderr.write(error.detail)
            raise SystemExit(USAGE) from error
        if told is not None:
            print_json(self.stdout, told)
        elif options["json"]:
            print_json(self.stdout, {"requests": [_facts(each) for each in book.requests(limit=SHOWN)]})
        else:
            self._print()

    def _done(self, **options: Any) -> dict[str, Any] | None:
        """What was asked, decided or looked at; None where nothing was wanted but the list."""
        word = options["word"]
        if options["preview"]:
            return _preview(book.preview(kind=options["preview"], payload=_payload(options["payload"])))
        if options["ask"]:
            words = {"reason_code": options["reason"], "reference": options["reference"], "note": word}
            payload = _payload(options["payload"])
            return _facts(book.ask(kind=options["ask"], payload=payload, asked_by=_person(options["user"]), **words))
        for name, decide in (("approve", book.approve), ("refuse", book.refuse)):
            if options[name]:
                return _facts(decide(request_id=options[name], decided_by=_person(options["user"]), word=word))
        if options["withdraw"]:
            by = _person(options["user"])
            return _facts(book.withdraw(request_id=options["withdraw"], withdrawn_by=by, word=word))
        return None

    def _print(self) -> None:
        screen = console(self.stdout)
        columns = ["asked at", "kind", "state", "by", "reference", "decided by", "id"]
        rows = [
            (each.asked_at, each.kind, each.state, each.asker, each.reference, each.decider or "-", each.id)
            for each in book.requests(limit=SHOWN)
        ]
        screen.print(table("Requests", columns, rows))
        kinds = [
            (kind.code, ", ".join(kind.payload().fields), ", ".join(kind.reasons)) for kind in book.registered_kinds()
        ]
        screen.print(table("Kinds", ["kind", "payload", "reasons"], kinds))


def _payload(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise CommandError(f"--payload is no JSON: {error}", returncode=USAGE) from error
    if not isinstance(found, dict):
        raise CommandError("--payload is a JSON object", returncode=USAGE)
    return found


def _person(name: str | None) -> int:
    person = get_user_model().objects.filter(username=name, is_active=True).first()
    if person is None:
        raise CommandError("--as names an active user of the back-office", returncode=USAGE)
    return int(person.pk)


def _facts(request: book.Request) -> dict[str, Any]:
    return {
        "id": request.id,
        "kind": request.kind,
        "state": request.state,
        "payload": request.payload,
        "reason": request.reason_code,
        "reference": request.reference,
        "asked_by": request.asker,
        "asked_at": request.asked_at,
        "expires_at": request.expires_at,
        "decided_by": request.decider,
        "entries": list(request.entry_ids),
        "result": request.result,
    }


def _preview(told: book.Preview) -> dict[str, Any]:
    balances = [
        {"account": each.account, "holder": each.holder, "before": each.before, "after": each.after}
        for each in told.movements
    ]
    changed = {"before": told.change.before, "after": told.change.after}
    return {"kind": told.kind, "payload": told.payload, "balances": balances, **changed}
