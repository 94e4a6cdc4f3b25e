"""Reads a statement's file: exactly the format of docs/reconciliation.md, or every line that is not so is named."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256

from django.conf import settings

from conversion.errors import InvalidStatement
from conversion.reconciliation.models import REFERENCE_FORM, USD_DECIMALS

HEADER = ["reference", "hour", "tokens", "usd", "fee"]
REFERENCE = re.compile(REFERENCE_FORM[1:-1])
HOUR = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:00:00Z")
AMOUNT = re.compile(r"(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?")
COUNT = re.compile(r"0|[1-9][0-9]{0,8}")
LONGEST_LINE = 1_000  # characters


@dataclass(frozen=True, slots=True)
class Line:
    """One conversion that the provider tells of; `number` is its line in the file, from 1."""

    number: int
    reference: str
    hour: datetime
    tokens: Decimal
    usd: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class ParsedStatement:
    """A whole file. `starts` and `ends` are hours, the second one not included; the totals are those of its lines."""

    provider: str
    reference: str
    starts: datetime
    ends: datetime
    lines: Sequence[Line]
    tokens: Decimal
    usd: Decimal
    fees: Decimal
    digest: bytes


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a line. `code` is stable; `line` is 0 where it is the file as a whole."""

    line: int
    code: str
    detail: str


class Wrong(ValueError):
    """One field is not what it has to be."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def parse_statement(content: bytes) -> ParsedStatement:
    """The statement in a file of at most RECONCILIATION_MAX_BYTES and RECONCILIATION_MAX_LINES conversions.

    Raises InvalidStatement with `problems`: the first RECONCILIATION_MAX_PROBLEMS of them, each with its line.
    """
    problems: list[Problem] = []
    rows = list(_rows(content))
    if len(rows) < len(("statement", "header", "total")):
        raise _refused([Problem(len(rows), "cut-off", "a statement has its first line, a header and a total")])
    read: list[Line] = []
    try:
        provider, reference, starts, ends = _first(rows[0][1])
    except Wrong as wrong:
        raise _refused([Problem(1, wrong.code, wrong.detail)]) from wrong
    if rows[1][1] != HEADER:
        problems.append(Problem(2, "header", f"the second line is {','.join(HEADER)}"))
    for number, fields in rows[2:-1]:
        try:
            read.append(_line(number, fields, ends))
        except Wrong as wrong:
            problems.append(Problem(number, wrong.code, wrong.detail))
            if len(problems) == settings.RECONCILIATION_MAX_PROBLEMS:
                raise _refused(problems) from wrong
    tokens, usd, fees = (sum((getattr(line, name) for line in read), Decimal(0)) for name in ("tokens", "usd", "fee"))
    number, last = rows[-1]
    try:
        told = _total(last)
        if not problems and told != (len(read), tokens, usd, fees):
            raise Wrong("total", f"the lines come to {len(read)},{tokens},{usd},{fees}")
    except Wrong as wrong:
        problems.append(Problem(number, wrong.code, wrong.detail))
    if problems:
        raise _refused(problems)
    return ParsedStatement(provider, reference, starts, ends, read, tokens, usd, fees, sha256(content).digest())


def _refused(problems: Sequence[Problem]) -> InvalidStatement:
    first = problems[0]
    place = f"line {first.line}: " if first.line else ""
    return InvalidStatement(f"{place}{first.detail} ({first.code})", problems=tuple(problems))


def _rows(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """The records with their line numbers; a record is one line. Raises InvalidStatement for what is no CSV at all."""
    if len(content) > settings.RECONCILIATION_MAX_BYTES:
        limit = settings.RECONCILIATION_MAX_BYTES
        raise _refused([Problem(0, "too-large", f"the file has {len(content)} bytes; {limit} are read")])
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        place = content[: error.start].count(b"\n") + 1
        raise _refused([Problem(place, "not-utf-8", "the file is UTF-8 text")]) from error
    if not text.endswith("\n"):
        raise _refused([Problem(text.count("\n") + 1, "cut-off", "the last line has no end")])
    for number, line in enumerate(text[:-1].split("\n"), start=1):
        if number > settings.RECONCILIATION_MAX_LINES + 3:
            raise _refused([Problem(number, "too-many-lines", f"{settings.RECONCILIATION_MAX_LINES} lines are read")])
        if len(line) > LONGEST_LINE:
            raise _refused([Problem(number, "line-too-long", f"a line has at most {LONGEST_LINE} characters")])
        try:
            yield number, next(csv.reader([line.removesuffix("\r")], strict=True), [])
        except csv.Error as error:
            raise _refused([Problem(number, "not-csv", str(error))]) from error


def _first(fields: list[str]) -> tuple[str, str, datetime, datetime]:
    if len(fields) != len(("statement", "provider", "reference", "starts", "ends")) or fields[0] != "statement":
        raise Wrong("first-line", "the first line is statement,PROVIDER,REFERENCE,FROM,TO")
    starts, ends = _hour(fields[3]), _hour(fields[4])
    if starts >= ends:
        raise Wrong("period", "the period ends after it starts")
    return _reference(fields[1]), _reference(fields[2]), starts, ends


def _line(number: int, fields: list[str], ends: datetime) -> Line:
    if len(fields) != len(HEADER):
        raise Wrong("fields", f"a line has {len(HEADER)} fields, and this one {len(fields)}")
    hour, tokens = _hour(fields[1]), _amount(fields[2])
    if hour >= ends:
        raise Wrong("hour", "the hour is not before the end of the statement")
    if not tokens:
        raise Wrong("amount", "a conversion has tokens")
    return Line(number, _reference(fields[0]), hour, tokens, _usd(fields[3]), _usd(fields[4]))


def _total(fields: list[str]) -> tuple[int, Decimal, Decimal, Decimal]:
    if len(fields) != len(HEADER) or fields[0] != "total":
        raise Wrong("cut-off", "the last line is total,LINES,TOKENS,USD,FEE")
    if not COUNT.fullmatch(fields[1]):
        raise Wrong("total", f"{fields[1]!r} is no number of lines")
    return int(fields[1]), _amount(fields[2]), _usd(fields[3]), _usd(fields[4])


def _reference(text: str) -> str:
    if not REFERENCE.fullmatch(text):
        raise Wrong("reference", "a name has 1 to 64 letters, digits or . _ : / -")
    return text


def _hour(text: str) -> datetime:
    if not HOUR.fullmatch(text):
        raise Wrong("hour", f"{text[:40]!r} is no UTC hour such as 2026-11-20T10:00:00Z")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        raise Wrong("hour", f"there is no {text}") from error


def _amount(text: str) -> Decimal:
    if not AMOUNT.fullmatch(text):
        raise Wrong("amount", f"{text[:40]!r} is no amount: at most 20 digits, a point, at most 18 digits")
    return Decimal(text)


def _usd(text: str) -> Decimal:
    amount = _amount(text)
    if amount != round(amount, USD_DECIMALS):
        raise Wrong("amount", f"USD has at most {USD_DECIMALS} decimals")
    return amount
