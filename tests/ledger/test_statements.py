"""Statements as of any instant: from what is held and the tail, the same figures as from all that ever happened."""

import json
import random
import threading
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connections, transaction

from ledger import book
from ledger.selectors import OPENING_OF_SHARE
from tests.factories import an_entry, post
from tests.sql import run

pytestmark = pytest.mark.django_db
WIN = ("dream:issued", "player:dream")
CONVERT = ("player:dream", "dream:redeemed")
PAY = ("usd:rewards-expense", "player:usd")


def now() -> datetime:
    ((instant,),) = run("SELECT clock_timestamp()")
    assert isinstance(instant, datetime)
    return instant


def moved(account: str, holder: UUID | None, until: datetime) -> Decimal:
    """What every posting before the instant adds up to, one after the other, in Python."""
    total = Decimal(0)
    rows = run(
        "SELECT posting.holder, debit_id, credit_id, amount FROM ledger_posting posting"
        " JOIN ledger_journalentry entry ON entry.id = posting.entry_id WHERE posted_at < %s",
        [until],
    )
    debit_is_plus = account in {"player:usd-owed", "usd:rewards-expense"}
    for owner, debit, credit, amount in rows:
        if holder in (None, owner):
            total += amount if debit == account else 0
            total -= amount if credit == account else 0
    return total if debit_is_plus else -total


def test_opening_and_closing_are_what_the_postings_add_up_to_at_every_instant() -> None:
    chance = random.Random(7)
    players = [uuid4() for _ in range(3)]
    marks = [now()]
    for _ in range(40):
        player = chance.choice(players)
        amount, half = (str(Decimal(chance.randint(*span)).scaleb(-18)) for span in ((10**17, 10**18), (1, 10**17)))
        post(an_entry(player, (*WIN, amount), (*CONVERT, half), (*PAY, "0.00000001")))
        marks.append(now())
    for account in ("player:dream", "player:usd", "player:usd-owed", "dream:issued", "usd:rewards-expense"):
        for holder in (*players, uuid4(), None):
            since, until = sorted(chance.sample(marks, 2))
            told = book.statement(account=account, holder=holder, since=since, until=until)
            assert told.opening == moved(account, holder, since)
            assert told.closing == moved(account, holder, until)
            assert told.closing == told.opening + sum((line.movement for line in told.lines), Decimal(0))


def test_what_was_dated_before_and_commits_later_changes_no_opening_that_was_told_with_it() -> None:
    """The share and its tail are of one snapshot: a late commit is in both or in none."""
    player = uuid4()
    post(an_entry(player, (*WIN, "1")))
    posted, may_commit = threading.Event(), threading.Event()

    def late_writer() -> None:
        with transaction.atomic():
            book.post([an_entry(player, (*WIN, "2"))])
            posted.set()
            may_commit.wait(timeout=20)
        connections.close_all()

    writer = threading.Thread(target=late_writer)
    writer.start()
    assert posted.wait(timeout=10)
    instant = now()
    before = book.statement(account="player:dream", holder=player, since=instant)
    assert (before.opening, before.closing) == (Decimal(1), Decimal(1))
    may_commit.set()
    writer.join()
    after = book.statement(account="player:dream", holder=player, since=instant)
    assert (after.opening, after.closing) == (Decimal(3), Decimal(3))
    assert book.balances([player])[player]["player:dream"] == after.closing


def test_an_opening_reads_the_tail_and_not_the_history() -> None:
    player = uuid4()
    post(*(an_entry(player, (*WIN, "0.001")) for _ in range(3_000)))
    instant = now()
    post(*(an_entry(player, (*WIN, "0.001")) for _ in range(5)))
    run("ANALYZE")
    asked = {"holder": player, "account": "player:dream", "since": instant}
    ((plan,),) = run(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {OPENING_OF_SHARE}", asked)
    ((whole_plan,),) = run(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT sum(amount) FROM ledger_posting WHERE holder = %s", [player]
    )

    def pages(plan: Any) -> int:
        (told,) = json.loads(plan) if isinstance(plan, str) else plan
        return int(told["Plan"]["Shared Hit Blocks"] + told["Plan"]["Shared Read Blocks"])

    assert pages(plan) < 40 < pages(whole_plan)
    assert book.statement(account="player:dream", holder=player, since=instant).opening == Decimal(3)
