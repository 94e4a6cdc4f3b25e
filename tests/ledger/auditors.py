"""The independent auditors: beancount and hledger, called as commands on our exports."""

import csv
import json
import os
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

BEAN_CHECK = Path(sys.executable).with_name("bean-check")
TIMEOUT_SECONDS = 600
# hledger reads a file in the encoding of the locale; beancount would leave a cache beside a file that took long.
ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8", "BEANCOUNT_DISABLE_LOAD_CACHE": "1"}

needs_hledger = pytest.mark.skipif(
    shutil.which("hledger") is None, reason="hledger is not installed here (Debian: apt-get install hledger)"
)

# Beancount adds up with Python's 28 digits by default, which is 10^10 DREAM; this gives it 100.
EVERY_DIGIT = "import decimal, sys; decimal.DefaultContext.prec = 100; decimal.setcontext(decimal.DefaultContext)"
CHECK = f"{EVERY_DIGIT}; from beancount.scripts.check import main; main()"
READ = f"""{EVERY_DIGIT}
import json
from beancount import loader
from beancount.core import data
entries, errors, _ = loader.load_file(sys.argv[1])
balances, transactions = {{}}, []
for entry in data.filter_txns(entries):
    transactions.append({{"payee": entry.payee, "narration": entry.narration, "date": str(entry.date),
        **{{key: value for key, value in entry.meta.items() if isinstance(value, str)}}}})
    for posting in entry.postings:
        balances[posting.account] = balances.get(posting.account, 0) + posting.units.number
print(json.dumps([len(errors), {{account: str(number) for account, number in balances.items()}}, transactions]))
"""


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", check=False, timeout=TIMEOUT_SECONDS, env=ENVIRONMENT
    )


def bean_check(path: Path, *, every_digit: bool = False) -> str:
    """What `bean-check` has to object; empty if nothing."""
    checked = run(sys.executable, "-c", CHECK, path) if every_digit else run(BEAN_CHECK, path)
    assert (checked.returncode == 0) == (checked.stderr == ""), checked.stderr
    return checked.stderr


def beancount_reads(path: Path) -> tuple[dict[str, Decimal], list[dict[str, str]]]:
    """The balances that beancount adds up, not ours that it asserts, and the transactions that it found."""
    read = run(sys.executable, "-c", READ, path)
    assert read.returncode == 0, read.stderr
    errors, balances, transactions = json.loads(read.stdout)
    assert errors == 0
    return {account: Decimal(number) for account, number in balances.items()}, transactions


def hledger(*command: str | Path) -> str:
    done = run("hledger", *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def hledger_check(path: Path) -> str:
    """What `hledger check` has to object, strictly; empty if nothing."""
    checked = run("hledger", "check", "--strict", "ordereddates", "-f", path)
    assert (checked.returncode == 0) == (checked.stderr == ""), checked.stderr
    return checked.stderr


def hledger_balances(path: Path) -> dict[str, Decimal]:
    """The balances that hledger adds up."""
    printed = hledger("balance", "--flat", "--empty", "--no-total", "--layout=bare", "-O", "csv", "-f", path)
    return {row["account"]: Decimal(row["balance"]) for row in csv.DictReader(printed.splitlines())}


def hledger_tags(path: Path) -> list[dict[str, str]]:
    """The tags of each transaction that hledger found, in its order, with the description as `description`."""
    printed: list[dict[str, Any]] = json.loads(hledger("print", "-O", "json", "-f", path))
    return [{**dict(transaction["ttags"]), "description": transaction["tdescription"]} for transaction in printed]
