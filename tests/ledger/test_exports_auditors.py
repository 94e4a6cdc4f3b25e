"""Two programs that others wrote read our books, check them without tolerance and come to our figures."""

import json
import random
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import book
from ledger.exports import hledger as hledger_format
from tests.factories import an_entry, post
from tests.ledger.auditors import (
    bean_check,
    beancount_reads,
    hledger_balances,
    hledger_check,
    hledger_tags,
    needs_hledger,
)
from tests.ledger.exporting import FEE, REWARD, WIN, busy_books, exported, moved, our_balances

Auditor = tuple[Callable[[Path], str], Callable[[Path], dict[str, Decimal]]]
AUDITORS: dict[str, Auditor] = {
    "beancount": (bean_check, lambda path: beancount_reads(path)[0]),
    "hledger": (hledger_check, hledger_balances),
}
each_auditor = pytest.mark.parametrize("auditor", ["beancount", pytest.param("hledger", marks=needs_hledger)])
pytestmark = pytest.mark.django_db


def objections(auditor: str, path: Path) -> str:
    return AUDITORS[auditor][0](path)


def balances(auditor: str, path: Path) -> dict[str, Decimal]:
    return moved(AUDITORS[auditor][1](path))


@each_auditor
def test_an_auditor_accepts_the_whole_journal_and_comes_to_our_balances(auditor: str, tmp_path: Path) -> None:
    busy_books()
    path = exported(tmp_path, auditor)
    assert objections(auditor, path) == ""
    assert balances(auditor, path) == moved(our_balances())


@each_auditor
def test_an_auditor_accepts_the_export_of_empty_books(auditor: str, tmp_path: Path) -> None:
    path = exported(tmp_path, auditor)
    assert objections(auditor, path) == ""
    assert balances(auditor, path) == {}


@each_auditor
def test_with_opening_balances_an_auditor_comes_to_what_we_held_at_the_end_of_the_time(
    auditor: str, tmp_path: Path
) -> None:
    _, (_, since, until) = busy_books()
    path = exported(tmp_path, auditor, **{"from": since.isoformat(), "to": until.isoformat()})
    assert objections(auditor, path) == ""
    assert balances(auditor, path) == moved(our_balances(until)) != moved(our_balances())
    assert len(re.findall(r"^\d{4}-\d\d-\d\d (?:\* )?\"?opening-balances\b", path.read_text(), re.MULTILINE)) == 1
    assert path.read_text().count(" posted_at:") == 5, "a day of four entries and their opening balances"


@each_auditor
def test_an_auditor_comes_to_a_players_shares_from_the_players_own_export(auditor: str, tmp_path: Path) -> None:
    (player, *_), (_, since, _) = busy_books()
    for options in ({}, {"from": since.isoformat()}):
        path = exported(tmp_path, auditor, holder=player, **options)
        assert objections(auditor, path) == ""
        found = balances(auditor, path)
        shares = book.balances([player])[player]
        assert found["Liabilities:Player:Dream"] == -shares["player:dream"] == Decimal("-0.500000000000000001")
        assert found["Liabilities:Player:Usd"] == -shares["player:usd"]
        assert found["Assets:Player:Usd-owed"] == shares["player:usd-owed"] == Decimal("0.00000003")
        assert "Assets:Usd:Cash" not in found


def one_digit_of_one_side(text: str) -> str:
    return text.replace("-2.000000000000000001 DREAM", "-2.000000000000000002 DREAM", 1)


def one_digit_of_both_sides(text: str) -> str:
    return text.replace(" 2.000000000000000001 DREAM", " 2.000000000000000002 DREAM", 1).replace(
        "-2.000000000000000001 DREAM", "-2.000000000000000002 DREAM", 1
    )


def last_digit_of_dollars(text: str) -> str:
    return text.replace("0.30000001 USD", "0.30000002 USD", 1)


def two_errors_that_make_up_for_each_other(text: str) -> str:
    return text.replace("-0.004 USD", "-0.00400001 USD", 1).replace("-0.004 USD", "-0.00399999 USD", 1)


def one_entry_gone(text: str) -> str:
    entries = text.split("\n\n")
    del entries[next(place for place, entry in enumerate(entries) if "test-win" in entry)]
    return "\n\n".join(entries)


def one_entry_twice(text: str) -> str:
    entries = text.split("\n\n")
    (entry, *_) = [entry for entry in entries if "test-win" in entry]
    return text.replace(entry, f"{entry}\n\n{entry}", 1)


def another_account(text: str) -> str:
    return text.replace("Expenses:Usd:Conversion-fees  0", "Expenses:Usd:Rewards-expense  0", 1)


def an_account_nobody_opened(text: str) -> str:
    return text.replace("Expenses:Usd:Conversion-fees  0", "Expenses:Usd:Conversion-feess  0", 1)


def one_digit_of_our_claim(text: str) -> str:
    claim = re.compile(r"(balance Assets:Usd:Cash  1000\.|Assets:Usd:Cash  0 USD == 1000\.)5")
    return claim.sub(r"\g<1>50000001", text)


@each_auditor
@pytest.mark.parametrize(
    "doctor",
    [
        one_digit_of_one_side,
        one_digit_of_both_sides,
        last_digit_of_dollars,
        two_errors_that_make_up_for_each_other,
        one_entry_gone,
        one_entry_twice,
        another_account,
        an_account_nobody_opened,
        one_digit_of_our_claim,
    ],
    ids=lambda doctor: str(doctor.__name__),
)
def test_an_auditor_refuses_a_doctored_export(auditor: str, doctor: Callable[[str], str], tmp_path: Path) -> None:
    """The control: an auditor that accepts everything would have accepted ours too."""
    busy_books()
    path = exported(tmp_path, auditor)
    sound = path.read_text()
    doctored = doctor(sound)
    assert doctored != sound
    path.write_text(doctored)
    assert objections(auditor, path)


def test_our_assertions_forgive_nothing_where_a_file_without_our_options_includes_them(tmp_path: Path) -> None:
    """Beancount takes options from the outermost file alone."""
    busy_books()
    path = exported(tmp_path, "beancount")
    outer = tmp_path / "outer.beancount"
    outer.write_text(f'include "{path.name}"\n')
    assert bean_check(outer) == ""
    path.write_text(path.read_text().replace("1000.5 USD", "1000.50000001 USD"))
    assert "Balance failed" in bean_check(outer)


@each_auditor
def test_an_auditor_counts_amounts_that_need_every_one_of_38_digits(auditor: str, tmp_path: Path) -> None:
    player = uuid4()
    post(an_entry(player, (*WIN, "99999999999999999999.999999999999999999"), (*WIN, "0.000000000000000003")))
    path = exported(tmp_path, auditor)
    assert balances(auditor, path)["Equity:Dream:Issued"] == Decimal("100000000000000000000.000000000000000002")
    refused = bean_check(path, every_digit=True) if auditor == "beancount" else hledger_check(path)
    assert refused == ""


NASTY = [
    'he said "free tokens"',
    "back\\slash\\",
    '\\" ; \\n',
    "line one\nline two",
    '\n2026-01-01 * "fake"\n  Assets:Usd:Cash  1 USD\n  Equity:Usd:Adjustments  -1 USD\n',
    "\r\n; comment\r\n",
    "semi; colon ; id:00000000, kind:fake, date:2020-01-01",
    "[2020-01-01=2020-02-02] date:2020-01-01",
    "tab\there, comma, pipe | hash # star * bang !",
    '=HYPERLINK("http://example.org")',
    "  leading and trailing  ",
    "(code) {1 USD} @ 3 DREAM = 5 == 6",
    "\u2028line\u2029paragraph\x85next\x0bvertical\x0cfeed\x1funit",
    "\u202eright to left\u200bzero width\ufeffmark",
    "Ελληνικά 中文 عربى 🎮👾 e\u0301 \U000e0041",
    'include /etc/passwd\ninclude "/etc/passwd"',
    "comment\nend comment\napply account x\n",
    "\x01\x02\x7f",
    "'",
    "\\",
    '"',
    ",",
    "\\u002c",
    "x" * 500,
    "\n" * 100,
]
ALPHABET = "\"\\\n\r\t;,:=|#*'[](){}@~ \u2028\x85\x0b\u00a0aZ0é中🎮"


def memos() -> list[str]:
    chance = random.Random(8)
    return NASTY + ["".join(chance.choices(ALPHABET, k=chance.randint(1, 30))) for _ in range(150)]


def post_memos(texts: list[str]) -> list[UUID]:
    entries = [
        book.Entry(
            holder=uuid4(),
            kind="test",
            postings=(
                book.Posting(*WIN, Decimal(1)),
                book.Posting(*REWARD, Decimal("0.15")),
                book.Posting(*FEE, Decimal(1)),
            ),
            memo=text,
            metadata={"text": text},
        )
        for text in texts
    ]
    post(*entries)
    return [entry.id for entry in entries]


def test_nothing_that_a_person_writes_breaks_out_of_a_beancount_string(tmp_path: Path) -> None:
    texts = memos()
    ids = post_memos(texts)
    path = exported(tmp_path, "beancount")
    assert bean_check(path) == ""
    found, transactions = beancount_reads(path)
    assert moved(found) == moved(our_balances())
    assert len(transactions) == len(texts)
    by_id = {transaction["id"]: transaction for transaction in transactions}
    for entry_id, text in zip(ids, texts, strict=True):
        assert by_id[str(entry_id)]["narration"] == text
        assert json.loads(by_id[str(entry_id)]["metadata"]) == {"text": text}


@needs_hledger
def test_nothing_that_a_person_writes_breaks_out_of_an_hledger_tag(tmp_path: Path) -> None:
    texts = memos()
    ids = post_memos(texts)
    path = exported(tmp_path, "hledger")
    assert hledger_check(path) == ""
    assert moved(hledger_balances(path)) == moved(our_balances())
    *transactions, last = hledger_tags(path)
    assert last["description"] == "closing-balances"
    assert len(transactions) == len(texts)
    by_id = {transaction["id"]: transaction for transaction in transactions}
    for entry_id, text in zip(ids, texts, strict=True):
        tags = by_id[str(entry_id)]
        assert set(tags) == {"id", "holder", "kind", "posted_at", "memo", "metadata", "description"}
        assert json.loads(tags["memo"]) == text
        assert json.loads(json.loads(tags["metadata"])) == {"text": text}
        assert datetime.fromisoformat(tags["posted_at"]).tzinfo


@given(st.text())
def test_any_text_is_one_printable_piece_of_a_tag_and_reads_back(text: str) -> None:
    written = hledger_format.quoted(text)
    assert written.isprintable()
    assert "," not in written
    assert json.loads(written) == text
