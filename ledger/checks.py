"""What `verify_books` proves about entries, postings, balances, closed days and seals."""

from ledger.anchors import anchored_links, differences_from
from ledger.verification import RECENT_ENTRIES, SINCE, Check, register_checks

RECENT_POSTINGS = f"WHERE (holder, entry_id) IN (SELECT holder, id FROM {RECENT_ENTRIES} AS recent)"
RECENT_HOLDERS = f"WHERE holder = ANY(ARRAY(SELECT DISTINCT holder FROM {RECENT_ENTRIES} AS recent))"

ENTRIES_HAVE_POSTINGS = Check(
    "entries-have-postings",
    "every entry has at least one posting",
    """
    SELECT entry.id::text AS subject, 'the entry has no posting' AS problem
    FROM (SELECT * FROM ledger_journalentry {entries}) entry
    LEFT JOIN ledger_posting posting ON posting.holder = entry.holder AND posting.entry_id = entry.id
    WHERE posting.id IS NULL
    """,
    recent={"entries": SINCE},
)
POSTINGS_FIT = Check(
    "postings-fit-entries-and-accounts",
    "every posting names its entry's holder, two accounts of its own asset and a positive exact amount",
    """
    SELECT posting.id::text AS subject,
           format('entry %s, %s / %s, %s %s', posting.entry_id, posting.debit_id, posting.credit_id, posting.amount,
                  posting.asset) AS problem
    FROM (SELECT * FROM ledger_posting {postings}) posting
    LEFT JOIN ledger_journalentry entry ON entry.id = posting.entry_id AND entry.holder = posting.holder
    LEFT JOIN ledger_account debit ON debit.code = posting.debit_id AND debit.asset = posting.asset
    LEFT JOIN ledger_account credit ON credit.code = posting.credit_id AND credit.asset = posting.asset
    WHERE entry.id IS NULL OR debit.code IS NULL OR credit.code IS NULL OR debit.code = credit.code
       OR NOT (posting.amount > 0 AND posting.amount < 1e20)
       OR posting.amount <> round(posting.amount, CASE posting.asset WHEN 'USD' THEN 8 ELSE 18 END)
    """,
    recent={"postings": RECENT_POSTINGS},
)
FEES_ARE_OURS = Check(
    "fees-never-touch-players",
    "no posting pairs a fee account with a player's account",
    """
    SELECT id::text AS subject, format('%s / %s, %s', debit_id, credit_id, amount) AS problem
    FROM (SELECT * FROM ledger_posting {postings}) posting
    WHERE (starts_with(debit_id, 'player:') AND credit_id LIKE '%fees%')
       OR (starts_with(credit_id, 'player:') AND debit_id LIKE '%fees%')
    """,
    recent={"postings": RECENT_POSTINGS},
)
BALANCES_ARE_POSTINGS = Check(
    "balances-equal-postings",
    "every holder's share is what his postings add up to, and not negative",
    """
    SELECT format('%s %s', coalesce(balance.holder, posted.holder),
                  coalesce(balance.account_id, posted.account_id)) AS subject,
           format('balance %s, postings %s', coalesce(balance.amount::text, 'missing'),
                  coalesce(posted.amount, 0)) AS problem
    FROM (SELECT * FROM ledger_balance {holders}) balance
    FULL JOIN (
        SELECT posting.holder, side.account_id,
               sum(CASE WHEN side.name = account.normal_side THEN posting.amount ELSE -posting.amount END) AS amount
        FROM (SELECT * FROM ledger_posting {holders}) posting
        CROSS JOIN LATERAL (VALUES (posting.debit_id, 'debit'), (posting.credit_id, 'credit'))
            AS side (account_id, name)
        JOIN ledger_account account ON account.code = side.account_id AND account.held
        GROUP BY 1, 2
    ) posted ON posted.holder = balance.holder AND posted.account_id = balance.account_id
    WHERE coalesce(balance.amount, 0) <> coalesce(posted.amount, 0) OR balance.amount < 0
    """,
    recent={"holders": RECENT_HOLDERS},
)
REVERSALS_MIRROR = Check(
    "reversals-mirror-originals",
    "a reversal moves back exactly what its original moved, in the same book",
    """
    SELECT reversal.id::text AS subject, format('does not mirror entry %s', original.id) AS problem
    FROM (SELECT * FROM (SELECT * FROM ledger_journalentry {entries}) AS entry WHERE reverses_id IS NOT NULL) reversal
    JOIN ledger_journalentry original ON original.id = reversal.reverses_id
    WHERE reversal.holder <> original.holder OR original.reverses_id IS NOT NULL OR EXISTS (
        (SELECT debit_id, credit_id, sum(amount) FROM ledger_posting WHERE entry_id = original.id
            AND holder = original.holder GROUP BY 1, 2)
        EXCEPT
        (SELECT credit_id, debit_id, sum(amount) FROM ledger_posting WHERE entry_id = reversal.id
            AND holder = reversal.holder GROUP BY 1, 2)
    ) OR EXISTS (
        (SELECT credit_id, debit_id, sum(amount) FROM ledger_posting WHERE entry_id = reversal.id
            AND holder = reversal.holder GROUP BY 1, 2)
        EXCEPT
        (SELECT debit_id, credit_id, sum(amount) FROM ledger_posting WHERE entry_id = original.id
            AND holder = original.holder GROUP BY 1, 2)
    )
    """,
    recent={"entries": SINCE},
)

# A day is counted by a transaction that ends within STATEMENT_TIMEOUT_MS: an hour is plenty.
RECENT_DAYS = "WHERE day IN (SELECT day FROM ledger_closedday WHERE closed_at > %(since_time)s - interval '1 hour')"
SINCE_RECENT_DAYS = """
    WHERE entry.posted_at >= (
        SELECT coalesce(min(day)::timestamp AT TIME ZONE 'UTC', 'infinity')
        FROM ledger_closedday WHERE closed_at > %(since_time)s - interval '1 hour')
"""
DAYS_ARE_POSTINGS = Check(
    "closed-days-equal-postings",
    "what was counted of a closed day is what its entries add up to",
    """
    SELECT format('%s %s', coalesce(counted.day, posted.day), coalesce(counted.account_id, posted.account_id))
               AS subject,
           format('counted %s / %s, postings %s / %s', counted.debits, counted.credits, posted.debits,
                  posted.credits) AS problem
    FROM (SELECT * FROM ledger_daytotal {days}) counted
    FULL JOIN (
        SELECT moved.day, side.account_id,
               coalesce(sum(moved.amount) FILTER (WHERE side.name = 'debit'), 0) AS debits,
               coalesce(sum(moved.amount) FILTER (WHERE side.name = 'credit'), 0) AS credits
        FROM (
            SELECT (entry.posted_at AT TIME ZONE 'UTC')::date AS day, posting.debit_id, posting.credit_id,
                   sum(posting.amount) AS amount
            FROM ledger_journalentry entry
            JOIN ledger_posting posting ON posting.holder = entry.holder AND posting.entry_id = entry.id
            {since}
            GROUP BY 1, 2, 3
        ) moved
        JOIN (SELECT * FROM ledger_closedday {days}) closed ON closed.day = moved.day AND closed.closed_at IS NOT NULL
        CROSS JOIN LATERAL (VALUES (moved.debit_id, 'debit'), (moved.credit_id, 'credit')) AS side (account_id, name)
        GROUP BY 1, 2
    ) posted ON posted.day = counted.day AND posted.account_id = counted.account_id
    WHERE (counted.debits, counted.credits) IS DISTINCT FROM (posted.debits, posted.credits)
    """,
    recent={"days": RECENT_DAYS, "since": SINCE_RECENT_DAYS},
)
# A falsifier may go back as far as he likes: a full verification compares every seal from the first one on.
SEALS_HOLD = Check(
    "seals-match-the-journal",
    "the chain of seals has no gap, and every sealed entry is what it was when it was sealed",
    """
    SELECT to_char(number, 'FM000000000000') AS subject,
           CASE WHEN number <> coalesce(before, 0) + 1 THEN format('comes after seal %s', before)
                WHEN starts <> coalesce(ended, '0'::xid8) THEN 'does not begin where the one before it ends'
                ELSE format('transactions %s to %s are not what was sealed', starts, ends) END AS problem
    FROM (
        SELECT seal.*, lag(number) OVER by_number AS before, lag(ends) OVER by_number AS ended,
               lag(digest) OVER by_number AS previous
        FROM ledger_seal seal WINDOW by_number AS (ORDER BY number)
    ) seal
    WHERE (number <> coalesce(before, 0) + 1 OR starts <> coalesce(ended, '0'::xid8)
        OR digest <> seal_digest(coalesce(previous, sha256('Dreamland')), number, hash_version, starts, ends)) {since}
    """,
    recent={"since": "AND ends > %(since)s::xid8"},
)
SEALS_ARE_ANCHORED = Check(
    "seals-match-their-anchor",
    "every seal that was anchored outside the database is still the one in it",
    find=differences_from,
    prepare=anchored_links,  # before the snapshot: a link that is made meanwhile would look like one that is gone
)
TRANSACTIONS_GO_ON = Check(
    "transactions-go-on-behind-the-seals",
    "new entries get transaction ids behind those that are sealed (else: restored into a cluster that counts anew)",
    """
    SELECT 'cluster' AS subject, format('at transaction %s, sealed up to %s', now_at, sealed) AS problem
    FROM (SELECT pg_snapshot_xmax(pg_current_snapshot()) AS now_at,
                 (SELECT ends FROM ledger_seal ORDER BY number DESC LIMIT 1) AS sealed) AS cluster
    WHERE now_at < sealed
    """,
)

register_checks(
    [
        ENTRIES_HAVE_POSTINGS,
        POSTINGS_FIT,
        FEES_ARE_OURS,
        BALANCES_ARE_POSTINGS,
        REVERSALS_MIRROR,
        DAYS_ARE_POSTINGS,
        SEALS_HOLD,
        SEALS_ARE_ANCHORED,
        TRANSACTIONS_GO_ON,
    ]
)
