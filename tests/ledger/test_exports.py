"""What is exported is the journal: whole, in order, to the last digit, as of one instant, in little memory."""

import csv
import json
import os
import stat
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from hypothesis import given
from hypothesis import strategies as st

from ledger import book
from ledger.exports import FORMATS, Selection, export, reader
from ledger.exports.csv_rows import safe
from ledger.exports.json_lines import line_of
from tests.factories import an_entry, post
from tests.ledger.exporting import FEE, REDEEM, REWARD, WIN, a_day, busy_books, exported, now, totals
from tests.sql import run

pytestmark = pytest.mark.django_db
each_format = pytest.mark.parametrize("file_format", sorted(FORMATS))
ROOT = Path(__file__).parent.parent.parent
Row = dict[str, Any]


def csv_rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def json_rows(path: Path) -> list[Row]:
    entries = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    return [{**entry, **posting, "entry_id": entry["id"]} for entry in entries for posting in entry["postings"]]


def parquet_rows(path: Path) -> list[Row]:
    rows: list[Row] = pyarrow.parquet.read_table(path).to_pylist()
    return rows


READERS: dict[str, Callable[[Path], list[Row]]] = {"csv": csv_rows, "jsonl": json_rows, "parquet": parquet_rows}
each_table = pytest.mark.parametrize("file_format", sorted(READERS))


def nets(rows: list[Row]) -> dict[str, Decimal]:
    """Debits less credits of each account, as a reader adds them up."""
    sums = dict.fromkeys((line.account for line in book.trial_balance().lines), Decimal(0))
    for row in rows:
        sums[row["debit"]] += Decimal(row["amount"])
        sums[row["credit"]] -= Decimal(row["amount"])
    return sums


def ours(until: datetime | None = None) -> dict[str, Decimal]:
    return {line.account: line.debits - line.credits for line in book.trial_balance(until=until).lines}


@each_table
def test_every_posting_arrives_once_in_order_and_to_the_last_digit(file_format: str, tmp_path: Path) -> None:
    busy_books()
    rows = READERS[file_format](exported(tmp_path, file_format))
    expected = run(
        "SELECT p.entry_id::text, p.debit_id, p.credit_id, p.asset, p.amount FROM ledger_posting p"
        " JOIN ledger_journalentry e ON e.id = p.entry_id ORDER BY e.posted_at, e.id, p.id"
    )
    found = [(row["entry_id"], row["debit"], row["credit"], row["asset"], Decimal(row["amount"])) for row in rows]
    assert found == expected
    assert nets(rows) == ours()


@each_table
def test_opening_balances_and_a_half_open_time_add_up_to_our_balances_at_its_end(
    file_format: str, tmp_path: Path
) -> None:
    """An entry dated exactly `from` is in, one dated exactly `to` is out, and what came before is in the opening."""
    player = uuid4()
    a_day(player)
    first, second, third = (post(an_entry(player, (*WIN, amount)))[0] for amount in ("1", "2", "4"))
    given = {"from": first.posted_at.isoformat(), "to": third.posted_at.isoformat()}
    rows = READERS[file_format](exported(tmp_path, file_format, **given))
    entries = [row["entry_id"] for row in rows if row["kind"] != "opening-balances"]
    assert entries == [str(first.entry_id), str(second.entry_id)]
    opening = [row for row in rows if row["kind"] == "opening-balances"]
    assert rows[: len(opening)] == opening
    assert nets(opening) == ours(first.posted_at)
    assert nets(rows) == ours(third.posted_at)
    told = totals(tmp_path)
    assert (told["entries"], told["postings"], told["debits"]) == (2, 2, {"DREAM": "3", "USD": "0"})


def test_the_control_totals_are_those_of_the_trial_balance(tmp_path: Path) -> None:
    busy_books()
    exported(tmp_path, "csv")
    told, books = totals(tmp_path), book.trial_balance()
    assert (told["entries"], told["postings"]) == (14, 20)
    assert told["debits"] == {asset: str(debits.normalize()) for asset, (debits, _) in books.totals().items()}
    for line, ours_ in zip(told["accounts"], books.lines, strict=True):
        assert (line["account"], line["name"], line["asset"]) == (ours_.account, ours_.name, ours_.asset)
        assert [Decimal(line[name]) for name in ("debits", "credits", "balance")] == [
            *(ours_.debits, ours_.credits, ours_.balance)
        ]
        assert line["opening"] == "0"
    assert datetime.fromisoformat(told["as_of"]) <= books.as_of
    assert told["from"] is told["to"] is told["holder"] is None


@each_format
def test_a_holder_gets_its_own_entries_and_no_other(file_format: str, tmp_path: Path) -> None:
    (player, other, _), _ = busy_books()
    raw = exported(tmp_path, file_format, holder=player).read_bytes()
    assert totals(tmp_path)["entries"] == 5
    assert totals(tmp_path)["holder"] == str(player)
    if file_format in READERS:
        assert {row["holder"] for row in READERS[file_format](tmp_path / f"export.{file_format}")} == {str(player)}
    assert str(other).encode() not in raw
    exported(tmp_path, file_format, holder="house")
    balances = {line["account"]: line["balance"] for line in totals(tmp_path)["accounts"]}
    assert (totals(tmp_path)["entries"], balances["usd:cash"], balances["player:usd"]) == (1, "1000.5", "0")


@each_format
def test_an_export_shows_one_instant_whatever_is_posted_while_it_is_read(file_format: str) -> None:
    """Without one snapshot for all statements, the rows would show what the totals do not."""
    for _ in range(3):
        a_day(uuid4())
    before = ours()
    sound = reader.Journal.entries

    def post_meanwhile() -> None:
        a_day(uuid4())
        connections.close_all()

    def disturbed(journal: reader.Journal) -> Any:
        """The totals are read by now; the rows are not."""
        intruder = threading.Thread(target=post_meanwhile)
        intruder.start()
        intruder.join()
        return sound(journal)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader.Journal, "entries", disturbed)
        told = export(Selection(), file_format=file_format, out=BytesIO())
    assert told.entries == 6
    assert {line.account: line.net for line in told.accounts} == before != ours()


def test_the_server_sends_a_few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What libpq holds is in no Python heap, so the test below would not see a journal that is fetched whole."""
    monkeypatch.setattr(reader, "ROWS_PER_FETCH", 10)
    opened, chunked_cursor = [], connection.chunked_cursor

    def noticed() -> Any:
        opened.append(chunked_cursor())
        return opened[-1]

    monkeypatch.setattr(connection, "chunked_cursor", noticed)
    post(*(an_entry(uuid4(), (*WIN, "1")) for _ in range(100)))
    with reader.snapshot(Selection()) as journal:
        for _ in journal.entries():
            (cursor,) = opened
            assert cursor.cursor.pgresult.ntuples <= 10
    assert len(opened) == 1


@each_format
def test_memory_does_not_grow_with_the_journal(file_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "ROWS_PER_FETCH", 100)
    monkeypatch.setattr("ledger.exports.parquet.ROWS_PER_GROUP", 100)

    def peak() -> int:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  (a sink that keeps nothing)
            export(Selection(), file_format=file_format, out=nowhere)  # warm: caches, imports
            tracemalloc.start()
            export(Selection(), file_format=file_format, out=nowhere)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    post(*(an_entry(uuid4(), (*WIN, "1")) for _ in range(500)))
    short = peak()
    for _ in range(4):
        post(*(an_entry(uuid4(), (*WIN, "1")) for _ in range(1_000)))
    assert peak() < short * 1.5, "nine times the entries"


@pytest.mark.breaks_books
@each_format
def test_an_export_that_misses_an_entry_is_refused_and_leaves_no_file(file_format: str, tmp_path: Path) -> None:
    """An entry without postings can only be made by hand; the rows do not show it, but the count does."""
    busy_books()
    run("INSERT INTO ledger_journalentry (holder, kind, memo, metadata) VALUES (gen_random_uuid(), 'test', '', '{}')")
    with pytest.raises(CommandError, match="not whole") as refused:
        exported(tmp_path, file_format)
    assert refused.value.returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_whole_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text("what was there before" * 1_000)
    a_day(uuid4())
    exported(tmp_path, "csv")
    assert len(csv_rows(path)) == 4
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["export.csv", "totals.json"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--from=2026-11-20T10:00:00Z", "--to=2026-11-20T10:00:00Z"], "must lie before"),
        (["--from=2026-11-20T10:00:00"], "offset"),
        (["--to=yesterday"], "RFC 3339"),
        (["--holder=somebody"], "neither"),
        (["--output=/dev/null"], "no regular file"),
        (["--output=/no/such/directory/file"], "cannot write"),
    ],
)
def test_what_is_asked_wrongly_is_refused_with_two(wrong: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said) as refused:
        call_command("export_journal", "--format=csv", *wrong, stderr=StringIO())
    assert refused.value.returncode in {1, 2}  # 1: argparse's own errors, as call_command raises them
    assert Path(os.devnull).is_char_device()


def test_standard_output_gets_the_export_and_standard_error_the_totals(capfdbinary: Any) -> None:
    a_day(uuid4())
    table = StringIO()
    call_command("export_journal", "--format=jsonl", stderr=table)
    out, _ = capfdbinary.readouterr()
    assert [json.loads(line)["kind"] for line in out.splitlines()] == ["test-win", "test-conversion"]
    assert "2 entries, 4 postings as of " in table.getvalue()
    assert "2.000000000000000001" in table.getvalue()


def test_a_reader_that_goes_away_is_told_in_one_line_and_not_in_a_traceback() -> None:
    """`export_journal | head`, as a process of its own: also the end of the interpreter must be quiet."""
    post(*(an_entry(uuid4(), (*WIN, "1")) for _ in range(1_000)))
    server = connection.get_connection_params()
    url = (
        f"postgres://{server['user']}:{server.get('password', '')}@{server['host']}:{server['port']}/{server['dbname']}"
    )
    command = [sys.executable, "manage.py", "export_journal", "--format=jsonl"]
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as export_process:
        assert export_process.stdout
        assert export_process.stderr
        json.loads(export_process.stdout.readline())
        export_process.stdout.close()
        told = export_process.stderr.read()
    assert (export_process.returncode, told) == (1, "CommandError: whoever read the export went away before its end\n")


def test_without_pyarrow_parquet_is_refused_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(CommandError, match="install the extra `parquet`"):
        exported(tmp_path, "parquet")
    assert list(tmp_path.iterdir()) == []


def test_parquet_has_exact_types_and_carries_the_totals(tmp_path: Path) -> None:
    a_day(uuid4())
    table = pyarrow.parquet.read_table(exported(tmp_path, "parquet"))
    assert table.schema.field("amount").type == pyarrow.decimal128(38, 18)
    assert table.schema.field("posted_at").type == pyarrow.timestamp("us", tz="UTC")
    assert json.loads(table.schema.metadata[b"dreamland.totals"]) == totals(tmp_path)
    posted = [posted_at for (posted_at,) in run("SELECT DISTINCT posted_at FROM ledger_journalentry ORDER BY 1")]
    assert sorted(set(table.column("posted_at").to_pylist())) == posted


def test_json_lines_keep_ids_people_and_metadata_as_they_are(tmp_path: Path, admin_user: Any) -> None:
    number = "0.1234567890123456789012345678901234567890"
    entry = book.Entry(
        holder=uuid4(),
        kind="test",
        postings=(book.Posting(*WIN, Decimal("1e-18")),),
        memo="line\nline\u2028line",
        posted_by=admin_user.id,
        metadata={"nested": {"text": "a\nb"}, "number": "as text"},
    )
    (receipt,) = post(entry)
    (line,) = exported(tmp_path, "jsonl").read_text("utf-8").rstrip("\n").split("\n")
    told = json.loads(line, parse_float=Decimal)
    ((posting_id,),) = run("SELECT id FROM ledger_posting")
    assert told == {
        "id": str(entry.id),
        "holder": str(entry.holder),
        "kind": "test",
        "memo": entry.memo,
        "posted_at": receipt.posted_at.isoformat().replace("+00:00", "Z"),
        "posted_by": admin_user.id,
        "reverses": None,
        "postings": [
            {
                "id": str(posting_id),
                "debit": WIN[0],
                "credit": WIN[1],
                "asset": "DREAM",
                "amount": "0.000000000000000001",
            }
        ],
        "metadata": entry.metadata,
    }
    exact = reader.ExportedEntry(
        None, None, "test", "", datetime(2026, 1, 1, tzinfo=UTC), None, None, f'{{"number": {number}}}', ()
    )
    assert json.loads(line_of(exact), parse_float=Decimal)["metadata"]["number"] == Decimal(number)


MEMOS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "'quoted",
    "\uff1d1",
    "|calc",
    "%1",
    "plain",
    "",
]


def test_csv_is_rfc_4180_and_no_cell_begins_a_formula(tmp_path: Path) -> None:
    memos = [*MEMOS, 'a "quote", a comma', "line\nline", "line\r\nline"]
    for memo in memos:
        post(book.Entry(holder=uuid4(), kind="test", postings=(book.Posting(*REWARD, Decimal("0.1")),), memo=memo))
    path = exported(tmp_path, "csv")
    rows = csv_rows(path)
    for row, memo in zip(rows, memos, strict=True):
        for cell in row.values():
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d")), cell
        assert (row["memo"].removeprefix("'")) == memo
    assert path.read_bytes().count(b"\r\n") == len(memos) + 1 + 1, "one for each row, the header, and one in a memo"
    assert rows[MEMOS.index("plain")]["memo"] == "plain"


@given(st.text())
def test_a_marked_text_is_known_by_its_mark_and_reads_back(text: str) -> None:
    marked = safe(text)
    assert (marked.removeprefix("'")) == text
    assert not marked.lstrip().startswith(("=", "+", "-", "@"))


def test_an_until_that_is_still_to_come_is_told_as_of_now(tmp_path: Path) -> None:
    a_day(uuid4())
    exported(tmp_path, "csv", to=(now() + timedelta(days=1)).isoformat())
    assert datetime.fromisoformat(totals(tmp_path)["as_of"]) <= now()


def test_opening_balances_match_only_accounts_that_met_and_net_what_was_taken_back(tmp_path: Path) -> None:
    """Matched by their balances alone, a fee would stand against a player's dollars, which the books rule out."""
    busy_books()
    rows = csv_rows(exported(tmp_path, "csv", **{"from": (now() + timedelta(days=1)).isoformat()}))
    assert {row["kind"] for row in rows} == {"opening-balances"}
    assert {row["posting_id"] + row["entry_id"] for row in rows} == {""}
    assert [(row["debit"], row["credit"], row["amount"]) for row in rows] == [
        (*WIN, "6.000000000000000003"),
        (*REDEEM, "4.5"),
        ("player:usd-owed", "usd:rewards-expense", "0.00000003"),
        ("usd:cash", "usd:adjustments", "1000.5"),
        (*FEE, "0.012"),
        (*REWARD, "0.90000003"),
    ]
    assert nets(rows) == ours()
