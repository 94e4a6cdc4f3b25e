"""Lists as files: whole, exact, harmless to open, for whoever may see them, and gone after a day."""

import csv
from datetime import timedelta
from decimal import Decimal
from io import BytesIO, StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from conversion.services import convert_due_hours
from dreamland.backoffice import exports
from dreamland.backoffice.failures import note_failure
from dreamland.backoffice.lists import NotExportable
from dreamland.backoffice.models import Export, ExportPart, TaskFailure
from dreamland.backoffice.tasks import make_exports_task
from dreamland.lib.exporting import Sheet, csv_lines, write_xlsx
from rewards.models import Win
from rewards.services import record_wins
from tests.factories import NOON, a_claim, a_game, hours, players

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss", password="x")


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def some_wins(count: int, amount: str = "1.000000000000000001") -> None:
    record_wins(game_id=a_game().id, claims=[a_claim(player, amount) for player in players(count)], now=NOON)
    convert_due_hours(now=NOON + hours(2))


def address(what: str, file_format: str = "csv") -> str:
    return reverse("admin:backoffice_export_new", args=[what, file_format])


def read(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)


def rows_and_control(text: str) -> tuple[list[list[str]], dict[str, str]]:
    """The header with its rows, and the control lines behind the empty line."""
    head, _, tail = text.partition("\r\n\r\n")
    return list(csv.reader(StringIO(head))), dict(row[:2] for row in csv.reader(StringIO(tail)) if row)


def test_a_csv_has_every_row_exactly_and_control_totals_that_agree(boss: User) -> None:
    some_wins(120)
    rows, control = rows_and_control(read(signed_in(boss).get(address("rewards.win"))).decode())
    header, *found = rows
    amounts = [Decimal(row[header.index("amount")]) for row in found]
    assert len(found) == int(control["Rows"]) == Win.objects.count() == 120
    assert {row[header.index("amount")] for row in found} == {"1.000000000000000001"}
    assert Decimal(control["Total of amount"]) == sum(amounts) == Decimal("120.00000000000000012")
    assert control["Exported by"] == "boss"
    assert control["As of"].endswith("Z")


def test_dream_and_usd_are_never_added_to_each_other(boss: User) -> None:
    some_wins(2, "1")
    _, control = rows_and_control(read(signed_in(boss).get(address("ledger.posting"))).decode())
    assert control["Total of amount, DREAM"] == "4"
    assert Decimal(control["Total of amount, USD"]) > 0
    assert "Total of amount" not in control


def test_a_file_holds_what_the_list_with_these_filters_shows(boss: User) -> None:
    some_wins(3)
    win = Win.objects.earliest("pk")
    rows, control = rows_and_control(read(signed_in(boss).get(address("rewards.win"), {"q": str(win.pk)})).decode())
    assert [row[0] for row in rows[1:]] == [str(win.pk)]
    assert control["Filters"] == f"q={win.pk}"


def test_an_xlsx_has_amounts_as_text_with_every_digit_and_beside_them_numbers(boss: User) -> None:
    some_wins(3)
    book = load_workbook(BytesIO(read(signed_in(boss).get(address("rewards.win", "xlsx")))))
    page, control = book.worksheets
    header = [cell.value for cell in page[1]]
    place = header.index("amount")
    assert [row[place].value for row in page.iter_rows(min_row=2)] == ["1.000000000000000001"] * 3
    assert [row[place + 1].value for row in page.iter_rows(min_row=2)] == [1] * 3
    told = {row[0].value: row[1].value for row in control.iter_rows()}
    assert (told["Rows"], told["Total of amount"]) == ("3", "3.000000000000000003")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "=cmd|' /C calc'!A0"])
def test_no_text_in_a_file_is_a_formula(text: str) -> None:
    def sheet() -> Sheet:
        return Sheet("Some", ["text", "amount"], [[text, Decimal("-1.5")]], adds_up=["amount"])

    [row] = list(csv.reader(StringIO("".join(csv_lines(sheet())))))[1:2]
    assert row == [f"'{text}", "-1.5"]
    file = BytesIO()
    write_xlsx([sheet()], file)
    cells = list(load_workbook(file).worksheets[0][2])
    assert cells[0].data_type == "s"
    assert [cell.value for cell in cells][1:] == ["-1.5", -1.5]


def test_characters_that_no_xlsx_can_hold_are_replaced() -> None:
    file = BytesIO()
    write_xlsx([Sheet("A[b]:*?/\\ of a very long name indeed", ["x"], [["a\x00b\x0bc"]])], file)
    book = load_workbook(file)
    assert book.worksheets[0]["A2"].value == "a\ufffdb\ufffdc"
    assert all(len(page.title) <= 31 for page in book.worksheets)


def test_no_hash_of_a_secret_leaves_the_house(boss: User) -> None:
    from rewards.keys import create_game_key

    create_game_key(game_id=a_game().id, scopes=["wins:write"])
    text = read(signed_in(boss).get(address("rewards.gamekey"))).decode()
    assert "wins:write" in text
    assert "secret" not in text


@pytest.mark.parametrize(
    "what", ["auth.user", "sessions.session", "rewards.nothing", "nothing", "backoffice.export", "x.y.z", "a b"]
)
def test_what_is_no_list_for_files_is_not_there(boss: User, what: str) -> None:
    assert signed_in(boss).get(address(what)).status_code == 404


def test_who_may_not_see_a_list_gets_no_file_of_it() -> None:
    person = User.objects.create_user("sam", password="x", is_staff=True)
    some_wins(1)
    assert signed_in(person).get(address("rewards.win")).status_code == 404
    person.user_permissions.add(Permission.objects.get(codename="view_win"))
    assert signed_in(person).get(address("rewards.win")).status_code == 200


def test_a_large_list_is_written_by_a_worker_and_kept_for_who_asked(boss: User) -> None:
    some_wins(25)
    client = signed_in(boss)
    with override_settings(EXPORT_DIRECT_ROWS=10, EXPORT_PART_BYTES=500, EXPORT_CHUNK_ROWS=4):
        answer = client.get(address("rewards.win"))
        export = Export.objects.get()
        assert answer.status_code == 302
        assert answer["Location"] == reverse("admin:backoffice_export_change", args=[export.pk])
        waiting = client.get(answer["Location"])
        assert waiting["Refresh"] == "3"
        make_exports_task()
    export.refresh_from_db()
    assert (export.state, export.rows) == ("done", 25)
    assert ExportPart.objects.filter(export=export).count() > 2
    done = client.get(answer["Location"])
    assert "Refresh" not in done
    file = client.get(reverse("admin:backoffice_export_file", args=[export.pk]))
    rows, control = rows_and_control(read(file).decode())
    assert len(rows) == 26
    assert Decimal(control["Total of amount"]) == Decimal("25.000000000000000025")
    other = User.objects.create_superuser("other", password="x")
    assert signed_in(other).get(reverse("admin:backoffice_export_file", args=[export.pk])).status_code == 404
    assert signed_in(other).get(answer["Location"]).status_code == 404


def test_a_link_expires_and_its_file_goes(boss: User) -> None:
    export_id = exports.ask_for_export(what="rewards.win", query="", file_format="xlsx", person=boss)
    make_exports_task()
    Export.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert signed_in(boss).get(reverse("admin:backoffice_export_file", args=[export_id])).status_code == 404
    make_exports_task()
    assert (Export.objects.count(), ExportPart.objects.count()) == (0, 0)


def test_rights_that_are_gone_when_it_is_written_or_fetched_end_it() -> None:
    person = User.objects.create_user("sam", password="x", is_staff=True)
    may = Permission.objects.get(codename="view_win")
    person.user_permissions.add(may)
    person = User.objects.get(pk=person.pk)
    first, second = (
        exports.ask_for_export(what="rewards.win", query="", file_format="csv", person=person) for _ in range(2)
    )
    exports.make_export(export_id=first)
    person.user_permissions.remove(may)
    exports.make_export(export_id=second)
    assert list(Export.objects.order_by("pk").values_list("state", flat=True)) == ["done", "failed"]
    assert signed_in(person).get(reverse("admin:backoffice_export_file", args=[first])).status_code == 403


def test_an_export_that_is_made_twice_is_made_once_and_one_that_was_given_up_is_made_anew(boss: User) -> None:
    some_wins(2)
    export_id = exports.ask_for_export(what="rewards.win", query="", file_format="csv", person=boss)
    assert exports.make_export(export_id=export_id)
    assert not exports.make_export(export_id=export_id)
    Export.objects.update(state="running", started_at=timezone.now() - timedelta(hours=2))
    assert exports.make_exports() == 1
    text = b"".join(exports.pieces(Export.objects.get())).decode()
    assert len(rows_and_control(text)[0]) == 3


def test_more_rows_than_a_file_may_have_are_refused_and_nothing_is_left(boss: User) -> None:
    some_wins(5)
    export_id = exports.ask_for_export(what="rewards.win", query="", file_format="csv", person=boss)
    with override_settings(EXPORT_MAX_ROWS=4):
        exports.make_export(export_id=export_id)
    export = Export.objects.get()
    assert (export.state, ExportPart.objects.count()) == ("failed", 0)
    assert "at most 4 rows" in export.problem


def test_who_waits_for_many_files_waits_before_asking_for_more(boss: User) -> None:
    for _ in range(5):
        exports.ask_for_export(what="rewards.win", query="", file_format="csv", person=boss)
    with pytest.raises(exports.TooManyExports):
        exports.ask_for_export(what="rewards.win", query="", file_format="csv", person=boss)
    with pytest.raises(NotExportable):
        exports.ask_for_export(what="rewards.win", query="", file_format="pdf", person=boss)


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_the_trial_balance_and_statements_are_files_too(boss: User, file_format: str) -> None:
    some_wins(2, "1.5")
    client = signed_in(boss)
    for page in (
        reverse("admin:ledger_account_trialbalance"),
        reverse("admin:ledger_account_statement", args=["player:usd"]),
    ):
        answer = client.get(page, {"file": file_format})
        assert "attachment" in answer["Content-Disposition"]
        if file_format == "csv":
            assert "usd:rewards-expense" in answer.content.decode()


def test_a_task_that_fails_is_written_down() -> None:
    try:
        raise ValueError("what happened")
    except ValueError as error:
        note_failure(sender=make_exports_task, task_id="1", exception=error, traceback=error.__traceback__)
    failure = TaskFailure.objects.get()
    assert (failure.task, failure.problem) == ("backoffice.make_exports", "ValueError: what happened")
    assert failure.place.startswith("test_exports.py:")
