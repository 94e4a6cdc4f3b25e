"""Pages of the books: trial balance, statements, and an entry as an accountant draws it. Nothing here writes."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils import timezone

from dreamland.lib.columns import BAD, GOOD, page_address
from dreamland.lib.forms import AsOf, Period, month_of
from dreamland.lib.pages import Block, Door, Facts, Form, Label, Link, Notice, Page, Table, behind, instant_text
from dreamland.lib.statements import statement_blocks
from ledger.lines import PostingFacts, account_by_day, account_by_hour, has_more_entries, postings_of, reversal_of
from ledger.models import HOUSE, Account, JournalEntry, VerificationRun
from ledger.reports import BalanceSheet, IncomeStatement, Reports, reports_of
from ledger.selectors import TrialBalance, statement, trial_balance

ONE_DAY, ONE_HOUR = timedelta(days=1), timedelta(hours=1)
HOURS_UP_TO = timedelta(days=2)  # a longer time is shown by day
CHART = "Chart of accounts"


def account_path() -> list[tuple[str, str]]:
    return [(CHART, reverse("admin:ledger_account_changelist"))]


def statement_address(account: str, since: datetime | None = None, until: datetime | None = None) -> str:
    """The statement of an account over a time."""
    asked = {name: f"{instant:%Y-%m-%dT%H:%M}" for name, instant in (("since", since), ("until", until)) if instant}
    return f"{reverse('admin:ledger_account_statement', args=[account])}?{urlencode(asked)}"


# --- Trial balance -------------------------------------------------------------------------------------------------


def trial_balance_page(request: HttpRequest) -> Page:
    """All accounts as of any day and hour, with the statements that follow from them."""
    form = AsOf(request.GET or None)
    until = form.cleaned_data["until"] if form.is_bound and form.is_valid() else None
    books = trial_balance(until=until)
    balanced = all(debits == credited for debits, credited in books.totals().values())
    return Page(
        title="Trial balance",
        subtitle=f"As of {instant_text(books.as_of)}. Entries dated before it.",
        path=account_path(),
        blocks=[
            Form(form, "Show"),
            Notice("Debits equal credits.", "success")
            if balanced
            else Notice("Debits and credits differ. Run `manage.py verify_books` now.", "danger"),
            *(trial_balance_table(books, asset) for asset in sorted(books.totals())),
            *report_tables(reports_of(books)),
        ],
    )


def trial_balance_table(books: TrialBalance, asset: str) -> Table:
    """The accounts of one asset: each balance on the side where it stands."""
    debits, credited = books.totals()[asset]
    lines = [line for line in books.lines if line.asset == asset]
    sides = [line.debits - line.credits for line in lines]
    return Table(
        title=f"Trial balance, {asset}",
        headers=["Account", "Name", "Kind", "Debits", "Credits", "Debit balance", "Credit balance"],
        numbers=["Debits", "Credits", "Debit balance", "Credit balance"],
        rows=[
            [
                Link(line.account, statement_address(line.account, month_of(books.as_of), _next_minute(books.as_of))),
                line.name,
                line.kind,
                line.debits,
                line.credits,
                side if side > 0 else None,
                -side if side < 0 else None,
            ]
            for line, side in zip(lines, sides, strict=True)
        ],
        totals=[
            "Total",
            "",
            "",
            debits,
            credited,
            sum((side for side in sides if side > 0), Decimal(0)),
            -sum((side for side in sides if side < 0), Decimal(0)),
        ],
    )


def _next_minute(instant: datetime) -> datetime:
    """The first whole minute that is not before `instant`: what a form can say."""
    whole = instant.replace(second=0, microsecond=0)
    return whole if whole == instant else whole + timedelta(minutes=1)


def report_tables(told: Reports) -> Iterator[Table]:
    """Income statement and balance sheet of each asset."""
    for income in told.income_statements:
        if income.income.lines or income.expenses.lines:
            yield _income_table(income)
    for sheet in told.balance_sheets:
        yield _sheet_table(sheet)


def _income_table(told: IncomeStatement) -> Table:
    rows = [["Income", line.account, line.balance] for line in told.income.lines]
    rows += [["Expenses", line.account, line.balance] for line in told.expenses.lines]
    return Table(
        title=f"Income statement, {told.asset}",
        headers=["Kind", "Account", "Amount"],
        numbers=["Amount"],
        rows=rows,
        totals=["Result", "income less expenses", told.result],
    )


def _sheet_table(told: BalanceSheet) -> Table:
    rows: list[list[Any]] = []
    for section in (told.assets, told.liabilities, told.equity):
        rows += [[section.kind.capitalize(), line.account, line.balance] for line in section.lines]
    return Table(
        title=f"Balance sheet, {told.asset}",
        headers=["Kind", "Account", "Amount"],
        numbers=["Amount"],
        rows=[*rows, ["Equity", "result so far", told.result]],
        note=f"Assets {told.total_assets:f}; liabilities and equity {told.total_liabilities_and_equity:f}.",
    )


# --- Statement of an account ----------------------------------------------------------------------------------------


def account_statement_page(request: HttpRequest, code: str) -> Page:
    """What moved an account: days, in a day hours, in an hour lines; or lines at once where there are few."""
    account = Account.objects.filter(code=code).first()
    if account is None:
        raise Http404
    now = timezone.now()
    form = Period(request.GET or None)
    given = form.cleaned_data if form.is_bound and form.is_valid() else {}
    since, until = given.get("since") or month_of(now), given.get("until") or now
    if not form.is_bound:
        form = Period(initial={"since": since})
    return Page(
        title=f"Statement of {code}",
        subtitle=f"{account.name}. {instant_text(since)} to {instant_text(until)}. "
        f"Balances on the {account.normal_side} side, in {account.asset}.",
        path=account_path(),
        blocks=[Form(form, "Show"), *account_blocks(account, since, until)],
    )


def account_blocks(account: Account, since: datetime, until: datetime) -> list[Block]:
    """Opening, what happened, closing: as lines where they fit on a page, else by hour or day."""
    if not has_more_entries(since=since, until=until, than=settings.ADMIN_STATEMENT_LINES):
        return statement_blocks(statement(account=account.code, holder=None, since=since, until=until))
    hourly = until - since <= HOURS_UP_TO
    step = ONE_HOUR if hourly else ONE_DAY
    read = account_by_hour if hourly else account_by_day
    since, until = floor(since, step), ceiling(until, step)
    if hourly and until - since <= ONE_HOUR:
        return minute_notice(account)
    told = read(account=account.code, since=since, until=until)
    rows = [
        [
            Link(line.starts_at, statement_address(account.code, line.starts_at, line.starts_at + step)),
            line.debits,
            line.credits,
            line.running,
        ]
        for line in told.lines
    ]
    return [
        Facts([("Opening balance", told.opening), ("Closing balance", told.closing)]),
        Table(
            title="By hour" if hourly else "By day (UTC)",
            headers=["From", "Debits", "Credits", "Balance"],
            numbers=["Debits", "Credits", "Balance"],
            rows=rows,
            totals=[
                "Closing",
                sum((line.debits for line in told.lines), Decimal(0)),
                sum((line.credits for line in told.lines), Decimal(0)),
                told.closing,
            ],
            empty="Nothing moved this account in this time.",
            note="Too much to show every line: follow a time to what happened in it.",
        ),
    ]


def minute_notice(account: Account) -> list[Block]:
    """An hour of more lines than a page can show."""
    return [
        Notice(
            f"This hour has more than {settings.ADMIN_STATEMENT_LINES} entries. Ask for fewer minutes, or export them.",
            "warning",
        )
    ]


def floor(instant: datetime, step: timedelta) -> datetime:
    """The last whole hour or UTC day that is not after `instant`."""
    whole = instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return whole.replace(hour=0) if step == ONE_DAY else whole


def ceiling(instant: datetime, step: timedelta) -> datetime:
    """The first whole hour or UTC day that is not before `instant`."""
    whole = floor(instant, step)
    return whole if whole == instant else whole + step


# --- An entry --------------------------------------------------------------------------------------------------------


def entry_blocks(entry: JournalEntry) -> list[Block]:
    """Date, who and why; the lines with debit before credit; what it reverses or is reversed by; what is behind it."""
    postings = postings_of([entry])[entry.id]
    reversed_by = reversal_of(entry.id)
    facts: list[tuple[str, Any]] = [
        ("Date", entry.posted_at),
        ("Kind", entry.kind),
        ("Why", entry.memo),
        ("Who", entry.posted_by.get_username() if entry.posted_by else "Dreamland"),
        ("Book of", "Dreamland" if entry.holder == HOUSE else _holder(entry.holder)),
        ("Number", str(entry.id)),
    ]
    if entry.reverses_id:
        facts.append(("Reverses", Link(entry.reverses_id, page_address("ledger_journalentry", entry.reverses_id))))
    if reversed_by:
        facts.append(("Reversed by", Link(reversed_by, page_address("ledger_journalentry", reversed_by))))
    facts += [_note(name, str(value)) for name, value in sorted(entry.metadata.items())]
    blocks: list[Block] = [Facts(facts), *(lines_table(postings, asset) for asset in _assets(postings))]
    if reversed_by:
        blocks.insert(0, Notice("This entry was taken back by another one.", "warning"))
    if known := behind(entry.id, entry.holder):
        blocks.append(Facts(known, title="Behind this entry"))
    return blocks


def _note(name: str, value: str) -> tuple[str, Any]:
    """What is noted of an entry; the request that two people carried, and what it corrects, with their pages."""
    pages = {
        "request": ("Asked and approved", "ledger_approvalrequest"),
        "corrects": ("Corrects", "ledger_journalentry"),
    }
    label, page = pages.get(name, (f"Note: {name}", ""))
    return label, Link(value, page_address(page, value)) if page else value


def _holder(holder: UUID) -> Any:
    return Link(holder, page_address("rewards_player", holder))


def _assets(postings: Iterable[PostingFacts]) -> list[str]:
    return sorted({posting.asset for posting in postings})


def lines_table(postings: Sequence[PostingFacts], asset: str) -> Table:
    """The lines of an entry in one asset: debit to the left, credit to the right, and both add up to the same."""
    rows: list[list[Any]] = []
    total = Decimal(0)
    for posting in postings:
        if posting.asset == asset:
            total += posting.amount
            rows.append([Link(posting.debit, statement_address(posting.debit)), posting.amount, None])
            rows.append([Link(posting.credit, statement_address(posting.credit)), None, posting.amount])
    return Table(
        title=asset,
        headers=["Account", "Debit", "Credit"],
        numbers=["Debit", "Credit"],
        rows=rows,
        totals=["Total", total, total],
    )


def entry_doors(request: HttpRequest, entry: JournalEntry) -> list[Door]:
    """From an entry to the whole book it stands in."""
    if not request.user.has_perm("ledger.view_journalentry"):
        raise PermissionDenied
    address = f"{reverse('admin:ledger_journalentry_changelist')}?{urlencode({'q': str(entry.holder)})}"
    return [Door("Other entries of this book", address, icon="list")]


# --- Verification ----------------------------------------------------------------------------------------------------


def verification_blocks(run: VerificationRun) -> list[Block]:
    """How a verification came out, and the first wrong row of each claim that does not hold."""
    return [
        Facts(
            [
                ("Outcome", Label("clean", GOOD) if run.is_clean else Label("wrong", BAD)),
                ("Mode", run.mode),
                ("As of", run.as_of),
                ("Seconds", str(run.seconds)),
            ]
        ),
        Table(
            title="What it found",
            headers=["Check", "Wrong rows", "First", "Problem"],
            numbers=["Wrong rows"],
            rows=[[each["check"], each["rows"], each["subject"], each["problem"]] for each in run.findings],
            empty="Every claim about the books holds.",
        ),
    ]
