"""Figures of the books for /metrics, read without a scan of the postings, which grow with history."""

from collections.abc import Iterable

from django.db import connection
from prometheus_client.core import Metric

from dreamland.lib.metrics import gauge

RECENT_POSTINGS = 10_000

# Control accounts by the shares of their holders: the table grows with players and not with history.
SHARES = """
SELECT account.code, account.asset, coalesce(sum(share.amount), 0)
FROM ledger_account account LEFT JOIN ledger_balance share ON share.account_id = account.code
WHERE account.held GROUP BY account.code, account.asset ORDER BY account.code
"""
# A trial balance of the newest postings by the assets of the accounts themselves. Of all postings it would be a scan:
# that is what `manage.py trial_balance` and `verify_books` are for. Ids are UUIDv7, so the newest are the last.
RECENT_IMBALANCE = f"""
SELECT asset.code, coalesce(sum(side.amount), 0)
FROM (SELECT DISTINCT asset AS code FROM ledger_account) asset
LEFT JOIN (
    SELECT account.asset, CASE WHEN account.code = recent.debit_id THEN recent.amount ELSE -recent.amount END AS amount
    FROM (SELECT debit_id, credit_id, amount FROM ledger_posting ORDER BY id DESC LIMIT {RECENT_POSTINGS}) recent
    JOIN ledger_account account ON account.code IN (recent.debit_id, recent.credit_id)
) side ON side.asset = asset.code
GROUP BY asset.code ORDER BY asset.code
"""
# A verification an hour, and a full one from cron.
VERIFICATIONS = """
SELECT DISTINCT ON (mode) mode, is_clean::int, extract(epoch FROM clock_timestamp() - as_of)
FROM ledger_verificationrun ORDER BY mode, id DESC
"""


def readings() -> Iterable[Metric]:
    """What players hold, by account; whether the newest postings balance; the last verifications. Three statements."""
    with connection.cursor() as cursor:
        cursor.execute(SHARES)
        shares = cursor.fetchall()
        cursor.execute(RECENT_IMBALANCE)
        imbalance = cursor.fetchall()
        cursor.execute(VERIFICATIONS)
        verifications = cursor.fetchall()
    held = [((account, asset), amount) for account, asset, amount in shares]
    yield gauge("held_by_players", "What players hold, by control account.", held, ["account", "asset"])
    yield gauge(
        "recent_postings_imbalance",
        f"Debits less credits of the newest {RECENT_POSTINGS} postings; anything but 0 is an alarm.",
        [((asset,), amount) for asset, amount in imbalance],
        ["asset"],
    )
    yield gauge(
        "verification_clean",
        "1 if the last verification of the books found nothing wrong, else 0.",
        [((mode,), clean) for mode, clean, _ in verifications],
        ["mode"],
    )
    yield gauge(
        "verification_last_seconds",
        "Time since the books were verified.",
        [((mode,), seconds) for mode, _, seconds in verifications],
        ["mode"],
    )
