"""What every column of the database is, so that nobody adds one about persons without saying so (docs/privacy.md).

Each app says it of its own tables in `data_classes.py`: TABLES gives each column a class, NO_PERSON says of a column
that smells of a person why there is none in it. What is true stands in PostgreSQL's catalogue, and is compared.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec

from django.apps import apps
from django.db import connection

from dreamland.lib.portability import kept, left_out, of_others, tables_of_players


class DataClass(StrEnum):
    """What a column is."""

    PERSON = "person", "tells something about a person, or people may type it there: erased, exported, never published"
    PSEUDONYM = "pseudonym", "leads to a person for who holds more"
    OPERATIONAL = "operational", "how we run: states, times, keys of our own"
    LEDGER = "ledger fact", "what happened to money; stays as long as the books"
    REFERENCE = "reference", "the same for everybody: accounts, games, rates, fees"

    meaning: str

    def __new__(cls, word: str, meaning: str) -> "DataClass":
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member


Table = Mapping[DataClass, str]
"""The columns of a table by class, their names apart by blanks."""

ABOUT_A_PERSON = {DataClass.PERSON, DataClass.PSEUDONYM}
NAMES = re.compile(
    r"(^|_)(e?mail|(first|last|full|user|nick|legal)?_?name|phone|mobile|ip|addr(ess)?|birth(day)?|born|dob|age|gender|sex"
    r"|passport|tax|ssn|iban|bic|card|street|city|zip|postal|country|latitude|longitude|location|device|agent|avatar|photo"
    r"|memo|notes?|comment|description|message|reason|remark|password|session|metadata|player|holder|user|by)(_id|_index)?$"
)
OPEN_TYPES = {"text", "varchar", "bpchar", "json", "jsonb", "xml", "bytea", "hstore", "_text", "_varchar"}
ADDRESSES = {"inet", "cidr", "macaddr", "macaddr8", "point"}
PERSONS = {"rewards_player", "auth_user"}  # who is referred to


@dataclass(frozen=True, slots=True)
class Column:
    """A column as PostgreSQL has it. `refers_to`: the table of its foreign key; `closed`: a CHECK lists its values."""

    table: str
    name: str
    type: str
    refers_to: str | None
    closed: bool

    @property
    def path(self) -> str:
        return f"{self.table}.{self.name}"

    @property
    def smell(self) -> str | None:
        """Why it may be about a person; None where nothing says so."""
        if self.refers_to in PERSONS:
            return f"refers to {self.refers_to}"
        if self.type in ADDRESSES:
            return f"is of type {self.type}"
        if self.refers_to or self.closed:
            return None
        if NAMES.search(self.name) and self.type != "bool":
            return "has a name like one about persons"
        return f"is of type {self.type.lstrip('_')}, in which anything can stand" if self.type in OPEN_TYPES else None


@dataclass(frozen=True, slots=True)
class Classed:
    """A column with its class, and why there is no person in it although it smells of one."""

    column: Column
    data_class: DataClass | None
    because: str | None

    @property
    def problem(self) -> str | None:
        """What is wrong with how it is classed; None where nothing is."""
        smell = self.column.smell
        if self.data_class is None:
            return f"has no class{f', and {smell}' if smell else ''}"
        if smell and self.data_class not in ABOUT_A_PERSON and not self.because:
            return f"is classed {self.data_class!s}, but {smell}"
        if self.because and (smell is None or self.data_class in ABOUT_A_PERSON):
            return "needs no reason in NO_PERSON"
        return None


COLUMNS = """
SELECT class.relname, attribute.attname, type.typname,
       (SELECT target.relname FROM pg_constraint foreign_key JOIN pg_class target ON target.oid = foreign_key.confrelid
        WHERE foreign_key.conrelid = class.oid AND foreign_key.contype = 'f'
          AND attribute.attnum = ANY (foreign_key.conkey)
        ORDER BY target.relname = ANY (%s) DESC LIMIT 1),
       EXISTS (SELECT FROM pg_constraint listed
               WHERE listed.conrelid = class.oid AND listed.contype = 'c' AND listed.conkey = ARRAY[attribute.attnum]
                 AND pg_get_constraintdef(listed.oid) ~ '= ANY|<@')
FROM pg_class class
JOIN pg_attribute attribute ON attribute.attrelid = class.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
JOIN pg_type type ON type.oid = attribute.atttypid
WHERE class.relnamespace = 'public'::regnamespace AND class.relkind IN ('r', 'p', 'm') AND NOT class.relispartition
ORDER BY class.relname, attribute.attnum
"""


def columns() -> tuple[Column, ...]:
    """Every column of every table, as it stands in the database."""
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS, [sorted(PERSONS)])
        return tuple(Column(*row) for row in cursor.fetchall())


def declared() -> tuple[dict[str, DataClass], dict[str, str]]:
    """What the apps say: the class of each column, and the reasons. A column that is named twice is a mistake."""
    classes: dict[str, DataClass] = {}
    reasons: dict[str, str] = {}
    for config in apps.get_app_configs():
        if find_spec(f"{config.name}.data_classes") is None:
            continue
        said = import_module(f"{config.name}.data_classes")
        for path, data_class in _paths(said.TABLES):
            if path in classes:
                raise AssertionError(f"{path} is classed twice")
            classes[path] = data_class
        reasons |= {path: reason for reason, paths in said.NO_PERSON.items() for path in paths.split()}
    return classes, reasons


def _paths(tables: Mapping[str, Table]) -> Iterator[tuple[str, DataClass]]:
    for table, by_class in tables.items():
        for data_class, names in by_class.items():
            yield from ((f"{table}.{name}", data_class) for name in names.split())


def classed() -> tuple[Classed, ...]:
    """Every column of the database with what the apps say of it."""
    classes, reasons = declared()
    return tuple(Classed(column, classes.get(column.path), reasons.get(column.path)) for column in columns())


def problems() -> tuple[tuple[str, str], ...]:
    """What is wrong with the map: (column, problem). Nothing where every column is classed, and plausibly."""
    found = classed()
    wrong = [(one.column.path, one.problem) for one in found if one.problem]
    there = {one.column.path for one in found}
    classes, reasons = declared()
    wrong += [(path, "is classed, and does not exist") for path in sorted({*classes, *reasons} - there)]
    spoken_of = {*tables_of_players(), *of_others()}
    about = {one.column.table for one in found if one.data_class in ABOUT_A_PERSON}
    wrong += [(table, "is neither in OF_PLAYER nor in OF_OTHERS") for table in sorted(about - spoken_of)]
    named = {*left_out(), *kept()}
    wrong += [(path, "is left out or kept, and does not exist") for path in sorted(named - there)]
    return tuple(wrong)
