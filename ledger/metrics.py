"""Figures of the books for /metrics, read without a scan of the postings, which grow with history."""

from collections.abc import Iterable

from django.db import connection
from prometheus_client.core import Metric

from dreamland.lib.metrics import gauge
from ledger.verification_records import Mode, latest_verifications

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
# What the periodic jobs of the books have not done yet: the oldest entry without a seal, and days without their totals.
BEHIND = """
SELECT coalesce((SELECT extract(epoch FROM clock_timestamp() - posted_at) FROM ledger_journalentry
                 WHERE transaction >= coalesce((SELECT ends FROM ledger_seal ORDER BY number DESC LIMIT 1), '0'::xid8)
                 ORDER BY transaction LIMIT 1), 0),
       (SELECT count(*) FROM ledger_closedday WHERE closed_at IS NULL)
"""
# What the job that anchors noted: it runs where the anchors can be reached, and this need not.
ANCHORS = """
SELECT anchor, failures, coalesce((SELECT max(number) FROM ledger_seal), 0) - holds FROM ledger_anchorhealth ORDER BY 1
"""


def readings() -> Iterable[Metric]:
    """What players hold, by account; whether the newest postings balance; the last verifications; what is behind."""
    with connection.cursor() as cursor:
        cursor.execute(SHARES)
        shares = cursor.fetchall()
        cursor.execute(RECENT_IMBALANCE)
        imbalance = cursor.fetchall()
        cursor.execute(BEHIND)
        ((unsealed_seconds, uncounted_days),) = cursor.fetchall()
        cursor.execute(ANCHORS)
        anchors = cursor.fetchall()
    verifications = latest_verifications()
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
        [((mode,), int(run.is_clean)) for mode, run in verifications.items()],
        ["mode"],
    )
    yield gauge(
        "verification_last_seconds",
        "Time since the books were verified; -1: never.",
        [((mode,), verifications[mode].age.total_seconds() if mode in verifications else -1) for mode in Mode.values],
        ["mode"],
    )
    yield gauge(
        "verification_seconds",
        "That the last verification took.",
        [((mode,), run.seconds) for mode, run in verifications.items()],
        ["mode"],
    )
    yield gauge("unsealed_entry_seconds", "Age of the oldest entry that no seal covers.", [((), unsealed_seconds)])
    yield gauge("uncounted_days", "UTC days that are over and have no totals yet.", [((), uncounted_days)])
    yield gauge(
        "anchor_failures",
        "How many times in a row the seals could not be kept there.",
        [((name,), failures) for name, failures, _ in anchors],
        ["anchor"],
    )
    yield gauge(
        "anchor_missing_seals",
        "Seals that it is not known to hold.",
        [((name,), missing) for name, _, missing in anchors],
        ["anchor"],
    )
