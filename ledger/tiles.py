"""Figures of the books for the first page: from balances, closed days and the last verification."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

from django.db import connection
from django.urls import reverse
from django.utils import timezone

from dreamland.lib.columns import page_address
from dreamland.lib.pages import instant_text
from dreamland.lib.tiles import BAD, GOOD, WAITS, Chart, Series, Tile
from ledger.models import DayTotal, VerificationRun
from ledger.pages import statement_address
from ledger.selectors import TrialBalance, trial_balance

DAYS_DRAWN = 30
STALE = timedelta(hours=26)  # a day's verification and two hours
# What holders hold by the balances that the trigger keeps, against what the postings say: the two must agree.
SHARES = "SELECT account_id, sum(amount) FROM ledger_balance GROUP BY account_id"


def tiles() -> Iterator[Tile]:
    """Do the books balance, what is owed, what was won and converted."""
    books = trial_balance()
    yield from _balanced(books)
    owed = books.balance("player:usd")
    yield Tile("Owed to players", owed, statement_address("player:usd"), unit="USD", order=20)
    debts = books.balance("player:usd-owed")
    yield Tile(
        "Players owe us",
        debts,
        statement_address("player:usd-owed"),
        note="After voids of wins whose dollars were spent." if debts else "No player owes anything.",
        unit="USD",
        order=60,
    )
    payable = books.balance("usd:fees-payable")
    yield Tile(
        "Fees payable", payable, statement_address("usd:fees-payable"), note="To the provider.", unit="USD", order=30
    )
    won = -books.balance("dream:issued")
    yield Tile(
        "Tokens won", won, statement_address("dream:issued"), note="Since the beginning.", unit="DREAM", order=40
    )
    redeemed = books.balance("dream:redeemed")
    yield Tile("Tokens converted", redeemed, statement_address("dream:redeemed"), unit="DREAM", order=41)
    held = books.balance("player:dream")
    yield Tile(
        "Tokens held", held, statement_address("player:dream"), note="They wait for their hour.", unit="DREAM", order=42
    )


def _balanced(books: TrialBalance) -> Iterator[Tile]:
    differences = [debits - credited for debits, credited in books.totals().values()]
    with connection.cursor() as cursor:
        cursor.execute(SHARES)
        differences += [amount - books.balance(account) for account, amount in cursor.fetchall()]
    balanced = not any(differences)
    yield Tile(
        "Do the books balance?",
        "Yes" if balanced else "No",
        reverse("admin:ledger_account_trialbalance"),
        note=f"Debits equal credits and wallets equal postings, {instant_text(books.as_of)}."
        if balanced
        else "Run manage.py verify_books at once.",
        colour=GOOD if balanced else BAD,
        order=1,
    )
    last = VerificationRun.objects.order_by("-id").first()
    if last is None:
        listing = reverse("admin:ledger_verificationrun_changelist")
        yield Tile("Last verification", "None yet", listing, note="It runs every hour.", colour=WAITS, order=2)
        return
    old = timezone.now() - last.as_of > STALE
    yield Tile(
        "Last verification",
        "Clean" if last.is_clean else f"{len(last.findings)} wrong",
        page_address("ledger_verificationrun", last.pk),
        note=f"{last.mode.capitalize()}, {instant_text(last.as_of)}{', too long ago' if old else ''}.",
        colour=BAD if not last.is_clean else WAITS if old else GOOD,
        order=2,
    )


def charts() -> Iterator[Chart]:
    """Tokens and dollars of each closed day."""
    totals = _day_totals(timezone.now().date())
    days = sorted({day for day, _ in totals})
    labels = [f"{day:%m-%d}" for day in days]

    def series(name: str, account: str, side: str, colour: str) -> Series:
        values = [getattr(totals.get((day, account)), side, Decimal(0)) for day in days]
        return Series(name, values, colour)

    drawn = (
        (
            "Tokens by day",
            ("Won, DREAM", "dream:issued", "debits", "primary"),
            ("Converted, DREAM", "dream:redeemed", "credits", "second"),
        ),
        (
            "Dollars by day",
            ("To players, USD", "player:usd", "credits", "primary"),
            ("Fees, USD", "usd:conversion-fees", "debits", "third"),
        ),
    )
    for order, (title, *lines) in enumerate(drawn, start=20):
        yield Chart(
            title,
            "bar",
            labels,
            [series(*line) for line in lines],
            reverse("admin:ledger_closedday_changelist"),
            note="Closed days, UTC.",
            empty="The first day is counted a few minutes after it is over.",
            order=order,
        )


def _day_totals(today: date) -> dict[tuple[date, str], DayTotal]:
    recent = DayTotal.objects.filter(day_id__gte=today - timedelta(days=DAYS_DRAWN))
    return {(total.day_id, total.account_id): total for total in recent}
