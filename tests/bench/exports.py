"""`python -m tests.bench.exports [ENTRIES]`: random books, exported in every format and checked by both auditors.

Prints how long each took and its highest memory, for all entries and for a tenth of them: the two memories are about
the same if exporting streams. Exits 1 unless both auditors accept and come to the balances of the trial balance.
"""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

ENTRIES = 100_000
ENTRIES_PER_POST = 5_000
PLAYERS = 2_000
SEED = 20_261_121
ROOT = Path(__file__).parent.parent.parent
FORMATS = ("beancount", "hledger", "csv", "jsonl", "parquet")
MEMOS = ("", "late win", 'he said "mine"; gg', "Ελληνικά, 中文 🎮", "two\nlines", "=1+1")


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds, and the most memory it held, in MiB."""

    seconds: float
    mebibytes: float


# Run by a small process in between: a child is charged with what its parent held when it was made, and we hold much.
WEIGH = """
import os, sys
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measured(*command: str | Path, **variables: str) -> Cost:
    """Runs a command that prints nothing to its end. Raises CalledProcessError where it fails."""
    from tests.ledger.auditors import ENVIRONMENT

    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", WEIGH, *command],
        cwd=ROOT,
        env={**ENVIRONMENT, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        text=True,
    )
    return Cost(time.perf_counter() - started, int(done.stdout) / 1024)


def random_entry(chance: random.Random, player: UUID, wallet: dict[UUID, Decimal]) -> Any:
    """A win, or the conversion of a part of what the player has, with amounts of every length."""
    from ledger import book

    memo = chance.choice(MEMOS)
    if wallet.get(player) and chance.random() < 0.4:
        tokens = min(wallet[player], Decimal(chance.randint(1, 10**18)).scaleb(-18))
        wallet[player] -= tokens
        dollars = Decimal(chance.randint(1, 10**8)).scaleb(-8)
        fee = Decimal(chance.randint(1, 10**6)).scaleb(-8)
        postings = (
            book.Posting("player:dream", "dream:redeemed", tokens),
            book.Posting("usd:rewards-expense", "player:usd", dollars),
            book.Posting("usd:conversion-fees", "usd:fees-payable", fee),
        )
        return book.Entry(holder=player, kind="bench-conversion", postings=postings, memo=memo)
    tokens = Decimal(chance.randint(1, 5 * 10**18)).scaleb(-18)
    wallet[player] = wallet.get(player, Decimal(0)) + tokens
    return book.Entry(
        holder=player, kind="bench-win", postings=(book.Posting("dream:issued", "player:dream", tokens),), memo=memo
    )


def fill(entries: int) -> datetime:
    """Posts random entries; returns the instant after the first tenth."""
    from django.db import connection, transaction

    from ledger import book

    chance = random.Random(SEED)
    players = [uuid4() for _ in range(PLAYERS)]
    wallet: dict[UUID, Decimal] = {}
    tenth: datetime | None = None
    posted = 0
    while posted < entries:
        size = min(ENTRIES_PER_POST, entries - posted, max(1, entries // 10 - posted) if tenth is None else entries)
        with transaction.atomic(durable=True):
            book.post([random_entry(chance, chance.choice(players), wallet) for _ in range(size)])
        posted += size
        if tenth is None and posted >= entries // 10:
            with connection.cursor() as cursor:
                cursor.execute("SELECT clock_timestamp()")
                (tenth,) = cursor.fetchone()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as the server would have done by itself a minute later
    assert tenth is not None
    return tenth


def export(file_format: str, path: Path, database_url: str, *more: str) -> Cost:
    command = (sys.executable, "manage.py", "export_journal", f"--format={file_format}", f"--output={path}", *more)
    return measured(*command, DATABASE_URL=database_url)


def audit(name: str, path: Path) -> tuple[Cost, dict[str, Decimal]]:
    from tests.ledger import auditors

    if name == "beancount":
        return measured(auditors.BEAN_CHECK, path), auditors.beancount_reads(path)[0]
    return (
        measured("hledger", "check", "--strict", "ordereddates", "-f", path),
        auditors.hledger_balances(path),
    )


def compare(directory: Path, entries: int, tenth: datetime, database_url: str, say: Callable[[str], Any]) -> bool:
    """Exports, audits and tells; true if both auditors come to our balances."""
    from tests.ledger.exporting import moved, our_balances

    say(f"{'':<24}{'seconds':>9}{'MiB':>7}{'MiB of a tenth':>16}{'file MB':>9}")
    for file_format in FORMATS:
        path = directory / f"journal.{file_format}"
        small = export(file_format, path, database_url, f"--to={tenth.isoformat()}")
        whole = export(file_format, path, database_url)
        size = path.stat().st_size / 1e6
        say(f"{file_format:<24}{whole.seconds:>9.1f}{whole.mebibytes:>7.0f}{small.mebibytes:>16.0f}{size:>9.1f}")
    agreed = True
    for name in ("beancount", "hledger"):
        if name == "hledger" and shutil.which("hledger") is None:
            say("hledger is not installed")
            continue
        cost, balances = audit(name, directory / f"journal.{name}")
        same = moved(balances) == moved(our_balances())
        agreed &= same
        say(f"{name} checks{'':<{24 - len(name) - 7}}{cost.seconds:>9.1f}{cost.mebibytes:>7.0f}")
        say(f"  {len(balances)} balances, {'all equal to ours to the last digit' if same else 'NOT OURS'}")
    return agreed


def main() -> int:
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection

    from tests import databases

    name, template = databases.name_for("bench"), databases.template()
    databases.copy(template, name)
    databases.use(name)
    database_url = settings.DATABASE_URL
    try:
        started = time.perf_counter()
        tenth = fill(entries)
        sys.stdout.write(f"{entries} random entries posted in {time.perf_counter() - started:.1f} s\n")
        with TemporaryDirectory() as directory:
            url = with_database(database_url, name)
            agreed = compare(Path(directory), entries, tenth, url, lambda line: print(line, flush=True))  # noqa: T201
    finally:
        connection.close()
        with databases.maintenance() as server:
            databases.drop(server, name)
    return 0 if agreed else 1


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    from urllib.parse import urlsplit

    return urlsplit(url)._replace(path=f"/{name}").geturl()


if __name__ == "__main__":
    sys.exit(main())
