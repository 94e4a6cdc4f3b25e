"""`manage.py personal_data_map`: what every column of the database is."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dreamland.lib.console import console, print_json, table
from dreamland.lib.data_map import classed, problems


class Command(BaseCommand):
    help = (
        "Shows of every column whether it is about a person, a pseudonym, or neither. --check exits with 1 where one "
        "has no class, or smells of a person by its name or type and nobody has said why there is none in it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="only say what is wrong")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON document")

    def handle(self, *, check: bool, as_json: bool, **_: Any) -> None:
        wrong = problems()
        if check:
            if wrong:
                told = "\n".join(f"{path} {problem}" for path, problem in wrong)
                hint = "Say what it is in TABLES of the app's data_classes.py, or in NO_PERSON why it is about nobody."
                raise CommandError(f"{told}\n{hint}")
            self.stdout.write(f"{len(classed())} columns are classed")
            return
        rows = [(one.column.path, str(one.data_class or ""), one.because or "") for one in classed()]
        if as_json:
            keys = ("column", "class", "because")
            print_json(self.stdout, {"columns": [dict(zip(keys, row, strict=True)) for row in rows], "problems": wrong})
            return
        console(self.stdout).print(table("Columns", ["column", "class", "although"], rows))
