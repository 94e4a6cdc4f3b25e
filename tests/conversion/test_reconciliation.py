"""The provider's statements held against ours: every kind of difference is found, and nothing else is."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse

from conversion.errors import InvalidStatement, StatementConflict, StatementOverlaps, StatementTooEarly
from conversion.metrics import readings
from conversion.models import Difference
from conversion.reconciliation.importing import import_statement
from conversion.reconciliation.parsing import parse_statement
from conversion.reconciliation.reading import differences, open_differences, statements
from conversion.services import convert_hour
from ledger import book
from tests.approvals import rule_added
from tests.conversion.helpers import HOUR, OVER, win
from tests.conversion.statements import HEADER, Row, a_file, an_hour, finance, imported, ours, provider, told, with_
from tests.databases import APP_ROLE
from tests.factories import a_player
from tests.sql import APP, OWNER, in_parallel, refusal, run, without_triggers

pytestmark = pytest.mark.django_db
TABLES = ("conversion_providerstatement", "conversion_statementline", "conversion_difference")
STRANGER = str(UUID(int=7))
LIKE_OURS = (told(HOUR), "1", "0.15", "0.002")


def found() -> dict[str, list[str]]:
    """References by kind."""
    by_kind: dict[str, list[str]] = {}
    for each in differences(limit=100):
        by_kind.setdefault(each.kind, []).append(each.reference)
    return by_kind


def test_an_honest_statement_agrees() -> None:
    rows = an_hour(3)
    done = imported(rows)
    assert (done.is_new, done.lines, done.differences) == (True, 3, {})
    assert (done.tokens, done.usd) == (Decimal(6), Decimal("0.9"))
    assert set(open_differences().values()) == {0}
    [statement] = statements(limit=5)
    assert (statement.lines, statement.open, statement.fees, statement.our_fees) == (3, 0, done.fees, done.fees)


def test_the_order_of_lines_and_the_spelling_of_amounts_do_not_matter() -> None:
    rows = [with_(row, tokens=f"{Decimal(row[2]):.5f}") for row in reversed(an_hour(3))]
    assert imported(rows).differences == {}


# What the provider makes of our three rows; then each kind of difference with what it is of: our row, or a reference.
DIFFERENT: dict[str, tuple[Callable[[list[Row]], list[Row]], dict[str, list[int | str]]]] = {
    "missing there": (lambda rows: rows[1:], {"missing-there": [0]}),
    "missing here": (lambda rows: [*rows, (STRANGER, *LIKE_OURS)], {"missing-here": [STRANGER]}),
    "missing here, no id": (lambda rows: [*rows, ("trade/77", *LIKE_OURS)], {"missing-here": ["trade/77"]}),
    "tokens": (lambda rows: [with_(rows[0], tokens="1.000000000000000001"), *rows[1:]], {"amount-differs": [0]}),
    "usd": (lambda rows: [with_(rows[0], usd="0.14999999"), *rows[1:]], {"amount-differs": [0]}),
    "fee": (lambda rows: [with_(rows[0], fee="0.5"), *rows[1:]], {"fee-differs": [0]}),
    "fee and amount": (
        lambda rows: [with_(rows[0], fee="0.5", usd="1"), *rows[1:]],
        {"fee-differs": [0], "amount-differs": [0]},
    ),
    "hour": (lambda rows: [with_(rows[0], hour=told(HOUR - timedelta(hours=1))), *rows[1:]], {"hour-differs": [0]}),
    "doubled": (lambda rows: [*rows, rows[1]], {"doubled": [1]}),
    "doubled with another amount": (lambda rows: [*rows, with_(rows[1], usd="9", fee="0.7")], {"doubled": [1]}),
    "three times": (lambda rows: [*rows, rows[1], rows[1]], {"doubled": [1, 1]}),
    "a stranger twice": (
        lambda rows: [*rows, *[(STRANGER, *LIKE_OURS)] * 2],
        {"missing-here": [STRANGER], "doubled": [STRANGER]},
    ),
    "a reference that only looks like ours": (
        lambda rows: [with_(rows[0], reference=f"{rows[0][0]}0"), *rows[1:]],
        {"missing-there": [0], "missing-here": ["almost"]},
    ),
    "nothing": (lambda rows: rows[:0], {"missing-there": [0, 1, 2]}),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_each_kind_of_difference_is_found_with_its_line_and_what_it_would_cost(case: str) -> None:
    falsify, kinds = DIFFERENT[case]
    rule_added(HOUR, fixed="0.001")
    rows = an_hour(3)
    done = imported(falsify(rows))
    wanted = {
        kind: sorted(
            rows[each][0] if isinstance(each, int) else each.replace("almost", f"{rows[0][0]}0") for each in references
        )
        for kind, references in kinds.items()
    }
    assert {kind: sorted(references) for kind, references in found().items()} == wanted
    assert done.differences == {kind: len(references) for kind, references in kinds.items()}
    assert open_differences() == dict.fromkeys(Difference.Kind.values, 0) | dict(done.differences)
    for each in differences(limit=10):
        expected = {
            "missing-there": -(each.our_fee or 0),
            "missing-here": each.their_fee,
            "doubled": each.their_fee,
            "fee-differs": (each.their_fee or 0) - (each.our_fee or 0),
        }.get(each.kind, 0)
        assert each.fee_effect == expected, case
        assert (each.line is None) == (each.kind == "missing-there")


def test_a_conversion_that_was_told_in_an_earlier_statement_is_doubled_in_a_later_one() -> None:
    first, second = an_hour(2), an_hour(1, hour=OVER)
    later = OVER + timedelta(hours=1)
    assert imported(first).differences == {}
    assert imported([*second, first[0]], reference="2026-12", starts=OVER, ends=later).differences == {"doubled": 1}


def test_a_conversion_that_is_told_later_was_missing_and_is_not_missing_twice() -> None:
    first, second = an_hour(2), an_hour(1, hour=OVER)
    later = OVER + timedelta(hours=1)
    assert imported(first[1:]).differences == {"missing-there": 1}
    assert imported([*second, first[0]], reference="2026-12", starts=OVER, ends=later).differences == {}
    assert found() == {"missing-there": [first[0][0]]}  # a person says that this explains it


def test_a_late_win_is_told_in_the_hour_of_the_run_that_took_it() -> None:
    an_hour(1)
    win(a_player(), at=HOUR, late=timedelta(hours=1))
    convert_hour(hour=OVER, now=OVER + timedelta(hours=1))
    rows = ours(OVER)
    assert len(rows) == 1
    assert imported(rows, starts=OVER, ends=OVER + timedelta(hours=1)).differences == {}


def test_the_conversions_of_another_provider_are_not_its_own() -> None:
    mine = an_hour(1)
    owed = provider()
    rule_added(OVER)
    theirs = an_hour(2, hour=OVER)
    whole = {"starts": HOUR, "ends": OVER + timedelta(hours=1)}
    assert imported(mine, by=owed, **whole).differences == {}
    assert imported([*theirs, *mine], by="desk", **whole).differences == {"missing-here": 1}


# --- Once -------------------------------------------------------------------------------------------------------


def test_the_same_file_twice_is_one_import() -> None:
    content = a_file(an_hour(2)[1:])
    first = import_statement(content=content, imported_by=finance())
    again = import_statement(content=content, imported_by=finance("bob"))
    assert (first.is_new, again.is_new) == (True, False)
    assert (again.id, again.differences) == (first.id, first.differences)
    assert run("SELECT count(*) FROM conversion_providerstatement") == [(1,)]
    assert run("SELECT encode(digest, 'hex') = encode(sha256(%s), 'hex') FROM conversion_providerstatement", [content])[
        0
    ] == (True,)


def test_the_same_file_ten_times_at_once_is_one_import() -> None:
    content = a_file(an_hour(2)[1:])
    who = finance()
    done = in_parallel([lambda: import_statement(content=content, imported_by=who)] * 10)
    assert not [each for each in done if isinstance(each, Exception)]
    assert sum(each.is_new for each in done if not isinstance(each, Exception)) == 1
    assert run("SELECT count(*), (SELECT count(*) FROM conversion_statementline) FROM conversion_difference") == [
        (1, 1)
    ]


def test_a_statement_with_other_content_under_its_number_is_refused() -> None:
    rows = an_hour(2)
    imported(rows)
    with pytest.raises(StatementConflict):
        imported(rows[1:])
    assert run("SELECT count(*) FROM conversion_providerstatement") == [(1,)]


def test_periods_of_a_provider_do_not_overlap() -> None:
    rows = [*an_hour(1), *an_hour(1, hour=OVER)]
    later = OVER + timedelta(hours=1)
    imported(rows, ends=later)
    with pytest.raises(StatementOverlaps, match="2026-11"):
        imported(rows[1:], reference="other", starts=OVER, ends=later)
    imported([], reference="other", by="somebody-else", starts=OVER, ends=later)


def test_two_statements_of_overlapping_hours_at_once_are_one() -> None:
    rows = an_hour(2)
    who = finance()
    files = [a_file(rows, reference=f"n{number}") for number in range(6)]

    def importing(content: bytes) -> Callable[[], object]:
        return lambda: import_statement(content=content, imported_by=who)

    done = in_parallel([importing(content) for content in files])
    assert sum(isinstance(each, StatementOverlaps) for each in done) == len(files) - 1
    assert found() == {}


@pytest.mark.breaks_books
def test_control_without_the_lock_statements_of_the_same_hours_stand_side_by_side() -> None:
    rows = an_hour(2)
    who = finance()
    ((definition,),) = run("SELECT pg_get_functiondef('statement_guard()'::regprocedure)")
    lock = "LOCK TABLE conversion_providerstatement IN SHARE ROW EXCLUSIVE MODE;"
    assert lock in definition
    run(definition.replace(lock, "").replace("RETURN NEW;", "PERFORM pg_sleep(0.3); RETURN NEW;"))

    def importing(number: int) -> Callable[[], object]:
        return lambda: import_statement(content=a_file(rows, reference=f"n{number}"), imported_by=who)

    done = in_parallel([importing(number) for number in range(4)])
    assert sum(not isinstance(each, Exception) for each in done) > 1


def test_hours_that_are_not_converted_cannot_be_compared() -> None:
    """Catches conversions that appear behind a statement which was found to agree."""
    rows = an_hour(1)
    for ends in (OVER + timedelta(hours=1), OVER + timedelta(days=4000)):
        with pytest.raises(StatementTooEarly, match="2026-11-10T11:00Z"):
            imported(rows, ends=ends)
    convert_hour(hour=OVER, now=OVER + timedelta(hours=1))
    imported(rows, ends=OVER + timedelta(hours=1))


def test_nothing_can_be_compared_before_the_first_hour() -> None:
    with pytest.raises(StatementTooEarly):
        imported([])


# --- The file ---------------------------------------------------------------------------------------------------

GOOD: Row = (STRANGER, told(HOUR), "1", "0.15", "0.002")
FIRST = f"statement,desk,n1,{told(HOUR)},{told(OVER)}"


def text(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def body(**changed: str) -> bytes:
    row = ",".join(with_(GOOD, **changed))
    return text(FIRST, HEADER, row, "total,1,1,0.15,0.002")


MALFORMED: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 1, "cut-off"),
    "one line": (text(FIRST), 1, "cut-off"),
    "no total": (text(FIRST, HEADER, ",".join(GOOD)), 3, "cut-off"),
    "cut in the total": (body()[:-1], 4, "cut-off"),
    "cut in a line": (body()[:-60], 3, "cut-off"),
    "no first line": (text(HEADER, ",".join(GOOD), "total,1,1,0.15,0.002"), 1, "first-line"),
    "first line too short": (text("statement,desk,n1", HEADER, "total,0,0,0,0"), 1, "first-line"),
    "no header": (text(FIRST, ",".join(GOOD), "total,1,1,0.15,0.002"), 2, "header"),
    "other header": (text(FIRST, "reference,hour,usd,tokens,fee", "total,0,0,0,0"), 2, "header"),
    "backwards": (text(f"statement,desk,n1,{told(OVER)},{told(HOUR)}", HEADER, "total,0,0,0,0"), 1, "period"),
    "empty period": (text(f"statement,desk,n1,{told(HOUR)},{told(HOUR)}", HEADER, "total,0,0,0,0"), 1, "period"),
    "not an hour": (text("statement,desk,n1,2026-11-10T10:30:00Z,2026-11-10T11:00:00Z", HEADER, "total,0,0,0,0"), 1, "hour"),
    "provider": (text(FIRST.replace("desk", "the desk"), HEADER, "total,0,0,0,0"), 1, "reference"),
    "number": (text(FIRST.replace("n1", "n" * 65), HEADER, "total,0,0,0,0"), 1, "reference"),
    "byte order mark": (b"\xef\xbb\xbf" + body(), 1, "first-line"),
    "not utf-8": (body().replace(b"total", b"\xff"), 4, "not-utf-8"),
    "utf-16": (body().decode().encode("utf-16"), 1, "not-utf-8"),
    "four fields": (text(FIRST, HEADER, ",".join(GOOD[:4]), "total,1,1,0.15,0.002"), 3, "fields"),
    "six fields": (text(FIRST, HEADER, ",".join(GOOD) + ",", "total,1,1,0.15,0.002"), 3, "fields"),
    "blank line": (text(FIRST, HEADER, "", ",".join(GOOD), "total,1,1,0.15,0.002"), 3, "fields"),
    "open quote": (body(reference='"abc'), 3, "not-csv"),
    "semicolons": (body().replace(b",", b";"), 1, "first-line"),
    "nul": (body(reference="a\x00b"), 3, "reference"),
    "no reference": (body(reference=""), 3, "reference"),
    "reference with a space": (body(reference="a b"), 3, "reference"),
    "formula": (body(reference="=1+1"), 3, "reference"),
    "hour without zone": (body(hour="2026-11-10T10:00:00"), 3, "hour"),
    "hour of another zone": (body(hour="2026-11-10T10:00:00+01:00"), 3, "hour"),
    "30 February": (body(hour="2026-02-30T10:00:00Z"), 3, "hour"),
    "hour 24": (body(hour="2026-11-09T24:00:00Z"), 3, "hour"),
    "hour behind the end": (body(hour=told(OVER)), 3, "hour"),
    "no tokens": (body(tokens="0"), 3, "amount"),
    "negative": (body(fee="-0.002"), 3, "amount"),
    "not a number": (body(usd="NaN"), 3, "amount"),
    "exponent": (body(usd="15e-2"), 3, "amount"),
    "comma": (body(usd='"0,15"'), 3, "amount"),
    "underscore": (body(tokens="1_0"), 3, "amount"),
    "full width": (body(tokens="\uff11"), 3, "amount"),
    "padding": (body(tokens=" 1"), 3, "amount"),
    "too large": (body(tokens="1" + "0" * 20), 3, "amount"),
    "nineteen decimals": (body(tokens="1.0000000000000000001"), 3, "amount"),
    "nine decimals of USD": (body(usd="0.150000001"), 3, "amount"),
    "total of fewer lines": (body().replace(b"total,1", b"total,2"), 4, "total"),
    "total of other tokens": (body().replace(b"total,1,1", b"total,1,2"), 4, "total"),
    "total of other fees": (body().replace(b"0.15,0.002\ntotal,1,1,0.15,0.002", b"0.15,0.002\ntotal,1,1,0.15,0.001"), 4, "total"),
    "total without a count": (body().replace(b"total,1,", b"total,one,"), 4, "total"),
    "a line behind the total": (body() + b"x\n", 5, "cut-off"),
    "a long line": (body(reference="x" * 1_000), 3, "line-too-long"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_file_is_refused_with_its_line_and_nothing_is_written(case: str) -> None:
    content, line, code = MALFORMED[case]
    with pytest.raises(InvalidStatement) as refused:
        import_statement(content=content, imported_by=finance())
    problems = [(problem.line, problem.code) for problem in refused.value.extra["problems"]]
    assert (line, code) in problems
    assert run("SELECT count(*) FROM conversion_providerstatement") == [(0,)]


def test_control_the_file_that_the_malformed_ones_are_made_from_is_read() -> None:
    for content in (body(), body().replace(b"\n", b"\r\n"), body(reference=f'"{STRANGER}"')):
        parsed = parse_statement(content)
        [line] = parsed.lines
        assert (line.number, line.reference, line.fee) == (3, STRANGER, Decimal("0.002"))


def test_every_wrong_line_is_named_up_to_a_limit(settings: Any) -> None:
    settings.RECONCILIATION_MAX_PROBLEMS = 5
    some = [",".join(with_(GOOD, fee="x")) if number % 2 else ",".join(GOOD) for number in range(30)]
    with pytest.raises(InvalidStatement) as refused:
        parse_statement(text(FIRST, HEADER, *some, "total,1,1,1,1"))
    assert [problem.line for problem in refused.value.extra["problems"]] == [4, 6, 8, 10, 12]


def test_a_file_that_is_too_large_or_too_long_is_refused(settings: Any) -> None:
    settings.RECONCILIATION_MAX_LINES = 2
    lines = [",".join(GOOD)] * 3
    with pytest.raises(InvalidStatement, match="too-many-lines"):
        parse_statement(text(FIRST, HEADER, *lines, "total,3,3,0.45,0.006"))
    parse_statement(text(FIRST, HEADER, *lines[1:], "total,2,2,0.3,0.004"))
    settings.RECONCILIATION_MAX_BYTES = 100
    with pytest.raises(InvalidStatement, match="too-large"):
        parse_statement(body())


# --- What PostgreSQL itself refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "column", "guard"),
    [
        ("conversion_providerstatement", "fees = 0", "statement_is_final"),
        ("conversion_statementline", "fee = 0", "statement_line_is_final"),
        ("conversion_difference", "fee_effect = 0", "difference_is_final"),
    ],
)
def test_what_the_provider_told_is_never_changed_or_removed(table: str, column: str, guard: str) -> None:
    imported(an_hour(2)[1:])
    for statement in (f"UPDATE {table} SET {column}", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        assert refusal(statement, who=OWNER) == guard
        assert refusal(statement, who=APP) == "privilege"


STATEMENT = """
INSERT INTO conversion_providerstatement
    (provider, reference, starts, ends, lines, tokens, usd, fees, digest, imported_by_id)
VALUES (%(provider)s, %(reference)s, %(starts)s, %(ends)s, %(lines)s, %(tokens)s, %(usd)s, %(fees)s, %(digest)s, %(by)s)
"""


def statement(**changed: Any) -> dict[str, Any]:
    sound = {"provider": "desk", "reference": "n1", "starts": HOUR, "ends": OVER, "lines": 0, "tokens": 0, "usd": 0}
    return sound | {"fees": 0, "digest": b"x" * 32, "by": finance()} | changed


@pytest.mark.parametrize("who", [OWNER, APP])
@pytest.mark.parametrize(
    ("changed", "guard"),
    [
        ({"provider": ""}, "statement_names"),
        ({"reference": "a b"}, "statement_names"),
        ({"ends": HOUR}, "statement_ends_after_start"),
        ({"starts": HOUR - timedelta(minutes=30)}, "statement_hours_are_whole"),
        ({"lines": -1}, "statement_totals_bounds"),
        ({"tokens": "NaN"}, "statement_totals_bounds"),
        ({"usd": -1}, "statement_usd_bounds"),
        ({"fees": "NaN"}, "statement_fees_bounds"),
        ({"fees": "0.000000001"}, "statement_fees_bounds"),
        ({"digest": b"short"}, "statement_digest_length"),
        ({"by": 0}, "statement_imported_by_exists"),
        ({"ends": OVER + timedelta(hours=1)}, "statement_of_converted_hours"),
    ],
)
def test_a_statement_that_cannot_be_is_refused(changed: dict[str, Any], guard: str, who: str) -> None:
    convert_hour(hour=HOUR, now=OVER)
    assert refusal(STATEMENT, statement(**changed), who=who) == guard


@pytest.mark.parametrize("changed", [{"lines": 1}, {"tokens": 1}, {"usd": 1}, {"fees": "0.5"}])
def test_a_statement_whose_lines_are_less_than_it_says_never_stands(changed: dict[str, Any]) -> None:
    convert_hour(hour=HOUR, now=OVER)
    assert refusal(STATEMENT, statement(**changed), who=APP) == "statement_equals_its_lines"


LINE = """
INSERT INTO conversion_statementline (statement_id, number, reference, hour, tokens, usd, fee)
SELECT coalesce(%(statement)s, id), %(number)s, %(reference)s, %(hour)s, %(tokens)s, %(usd)s, %(fee)s
FROM conversion_providerstatement
"""


@pytest.mark.parametrize("who", [OWNER, APP])
@pytest.mark.parametrize(
    ("changed", "guard"),
    [
        ({}, "statement_is_complete"),
        ({"number": 0}, "statement_line_names"),
        ({"reference": "x y"}, "statement_line_names"),
        ({"tokens": 0}, "statement_line_tokens_bounds"),
        ({"tokens": "NaN"}, "statement_line_tokens_bounds"),
        ({"tokens": "0.0000000000000000001"}, "statement_line_tokens_precision"),
        ({"usd": -1}, "statement_line_usd_bounds"),
        ({"fee": "Infinity"}, "statement_line_fee_bounds"),
        ({"statement": uuid4()}, "statement_line_statement_exists"),
    ],
)
def test_a_line_that_cannot_be_is_refused(changed: dict[str, Any], guard: str, who: str) -> None:
    convert_hour(hour=HOUR, now=OVER)
    imported([])
    sound = {"statement": None, "number": 3, "reference": "r", "hour": HOUR, "tokens": 1, "usd": 1, "fee": 0}
    assert refusal(LINE, sound | changed, who=who) == guard


@pytest.mark.parametrize("hour", [OVER, HOUR + timedelta(minutes=1)])
def test_a_line_tells_of_a_whole_hour_before_the_end(hour: datetime) -> None:
    convert_hour(hour=HOUR, now=OVER)
    line = {"statement": None, "number": 3, "reference": "r", "hour": hour, "tokens": 1, "usd": 1, "fee": 0}
    with transaction.atomic():
        run(STATEMENT, statement(lines=1, tokens=1, usd=1))
        assert refusal(LINE, line) == "statement_line_hour"
        transaction.set_rollback(True)


def test_the_app_role_imports_and_writes_no_difference_by_hand() -> None:
    rows = an_hour(2)
    who = finance()
    content = a_file(rows[1:])
    run(f"SET ROLE {APP_ROLE}")
    assert import_statement(content=content, imported_by=who).differences == {"missing-there": 1}
    run("RESET ROLE")
    assert refusal("INSERT INTO conversion_difference (kind) VALUES ('doubled')", who=APP) == "privilege"


@pytest.mark.parametrize(
    ("values", "guard"),
    [
        ("'lost', NULL, NULL", "difference_is_of_its_kind"),
        ("'missing-there', NULL, NULL", "difference_is_of_its_kind"),
        ("'missing-here', NULL, NULL", "difference_is_of_its_kind"),
        ("'doubled', NULL, NULL", "difference_is_of_its_kind"),
        ("'fee-differs', gen_random_uuid(), NULL", "difference_is_of_its_kind"),
        ("'missing-here', gen_random_uuid(), NULL", "difference_line_exists"),
        ("'missing-there', NULL, gen_random_uuid()", "difference_conversion_exists"),
    ],
)
def test_a_difference_is_of_its_kind(values: str, guard: str) -> None:
    imported(an_hour(1))
    insert = "INSERT INTO conversion_difference (statement_id, kind, line_id, conversion_id, fee_effect)"
    assert refusal(f"{insert} SELECT id, {values}, 0 FROM conversion_providerstatement") == guard


@pytest.mark.breaks_books
@pytest.mark.parametrize(
    ("falsify", "check"),
    [
        ("UPDATE conversion_statementline SET fee = fee + 1 WHERE number = 3", "statements-equal-lines"),
        ("UPDATE conversion_providerstatement SET fees = fees + 1", "statements-equal-lines"),
        ("DELETE FROM conversion_difference", "differences-follow-from-statements"),
        ("UPDATE conversion_difference SET fee_effect = 0", "differences-follow-from-statements"),
        ("UPDATE conversion_difference SET kind = 'doubled', line_id = gen_random_uuid()", "differences-follow-from-statements"),
        ("INSERT INTO conversion_difference (statement_id, kind, line_id, fee_effect)"
         " SELECT statement_id, 'missing-here', id, fee FROM conversion_statementline LIMIT 1", "differences-follow-from-statements"),
    ],
)  # fmt: skip
def test_a_falsified_statement_or_difference_is_found(falsify: str, check: str) -> None:
    rule_added(HOUR)
    imported(an_hour(3)[1:])
    assert book.verify().clean
    with without_triggers(*TABLES):
        run("ALTER TABLE conversion_difference DROP CONSTRAINT difference_line_exists")
        run(falsify)
    wrong = {finding.check.name for finding in book.verify().findings if finding.wrong_rows}
    assert check in wrong


# --- Doors ------------------------------------------------------------------------------------------------------


def reconcile(*arguments: str) -> tuple[int, Any, str]:
    out, errors = StringIO(), StringIO()
    try:
        call_command("reconcile", *arguments, "--json", stdout=out, stderr=errors)
        code = 0
    except SystemExit as end:
        code = int(str(end.code))
    return code, json.loads(out.getvalue()) if out.getvalue() else None, errors.getvalue()


def test_the_command_imports_lists_and_says_by_its_exit_code_how_it_stands(tmp_path: Path) -> None:
    assert reconcile()[0] == 0
    finance("ada")
    rows = an_hour(3)
    file = tmp_path / "statement.csv"
    file.write_bytes(a_file(rows[1:]))
    code, document, _ = reconcile("--import", str(file), "--as", "ada")
    assert (code, document["imported"]["is_new"], document["imported"]["differences"]) == (
        1,
        True,
        {"missing-there": 1},
    )
    [difference] = document["differences"]
    assert (difference["kind"], difference["reference"], difference["our_tokens"]) == ("missing-there", rows[0][0], "1")
    code, document, _ = reconcile("--import", str(file), "--as", "ada")
    assert (code, document["imported"]["is_new"]) == (1, False)
    assert reconcile("--kind", "doubled")[1]["differences"] == []
    assert len(reconcile("--statement", "2026-11")[1]["differences"]) == 1
    assert reconcile("--statement", "no such")[1]["differences"] == []


def test_the_command_prints_tables_for_people(tmp_path: Path) -> None:
    finance("ada")
    file = tmp_path / "statement.csv"
    file.write_bytes(a_file(an_hour(2)))
    out = StringIO()
    call_command("reconcile", "--import", str(file), "--as", "ada", stdout=out)
    assert "2 lines imported; differences: none" in out.getvalue()
    assert "No difference is open." in out.getvalue()


def test_the_command_names_every_line_that_is_wrong_and_exits_with_two(tmp_path: Path) -> None:
    finance("ada")
    file = tmp_path / "statement.csv"
    file.write_bytes(
        text(FIRST, HEADER, ",".join(with_(GOOD, fee="x")), ",".join(with_(GOOD, usd="-1")), "total,2,2,0,0")
    )
    code, document, errors = reconcile("--import", str(file), "--as", "ada")
    assert (code, document) == (2, None)
    assert "line 3: " in errors
    assert "line 4: " in errors
    assert "nothing was imported" in errors
    assert reconcile("--import", str(tmp_path / "none.csv"), "--as", "ada")[0] == 2
    assert reconcile("--import", str(tmp_path), "--as", "ada")[0] == 2
    with pytest.raises(CommandError, match="active user"):
        call_command("reconcile", "--import", str(file), "--as", "nobody")


def test_open_differences_are_a_figure() -> None:
    rows = an_hour(3)
    imported([*rows[1:], rows[1]])
    figures = {(sample.name, *sample.labels.values()): sample.value for each in readings() for sample in each.samples}
    assert figures["dreamland_reconciliation_open_differences", "missing-there"] == 1
    assert figures["dreamland_reconciliation_open_differences", "doubled"] == 1
    assert figures["dreamland_reconciliation_open_differences", "fee-differs"] == 0


def test_the_back_office_shows_statements_lines_and_differences(admin_client: Client) -> None:
    lists = [
        reverse(f"admin:conversion_{name}_changelist") for name in ("providerstatement", "statementline", "difference")
    ]
    for address in lists:
        assert "No statement" in (page := admin_client.get(address).content.decode()) or "agrees with ours" in page
    rows = an_hour(3)
    done = imported([*rows[1:], rows[1], ("trade/77", rows[0][1], "1", "0.15", "0.002")])
    for address in lists:
        assert admin_client.get(address).status_code == 200
    found_lines = admin_client.get(lists[1], {"q": "trade/77"})
    assert [line.reference for line in found_lines.context["cl"].result_list] == ["trade/77"]
    of_statement = admin_client.get(lists[1], {"statement__id__exact": str(done.id)})
    assert [line.number for line in of_statement.context["cl"].result_list] == [3, 4, 5, 6]
    page = admin_client.get(reverse("admin:conversion_providerstatement_change", args=[done.id])).content.decode()
    for kind in ("missing-there", "missing-here", "doubled"):
        assert kind in page
    for each in differences(limit=10):
        page = admin_client.get(reverse("admin:conversion_difference_change", args=[each.id])).content.decode()
        assert "What each says" in page
        assert each.reference[:8] in page
