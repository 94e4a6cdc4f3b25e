"""What `verify_books` proves about entries, postings and balances."""

from ledger.verification import Check, register_checks

ENTRIES_HAVE_POSTINGS = Check(
    "entries-have-postings",
    "every entry has at least one posting",
    """
    SELECT entry.id::text AS subject, 'the entry has no posting' AS problem
    FROM ledger_journalentry entry LEFT JOIN ledger_posting posting ON posting.entry_id = entry.id
    WHERE posting.id IS NULL
    """,
)
POSTINGS_FIT = Check(
    "postings-fit-entries-and-accounts",
    "every posting names its entry's holder, two accounts of its own asset and a positive exact amount",
    """
    SELECT posting.id::text AS subject,
           format('entry %s, %s / %s, %s %s', posting.entry_id, posting.debit_id, posting.credit_id, posting.amount,
                  posting.asset) AS problem
    FROM ledger_posting posting
    LEFT JOIN ledger_journalentry entry ON entry.id = posting.entry_id AND entry.holder = posting.holder
    LEFT JOIN ledger_account debit ON debit.code = posting.debit_id AND debit.asset = posting.asset
    LEFT JOIN ledger_account credit ON credit.code = posting.credit_id AND credit.asset = posting.asset
    WHERE entry.id IS NULL OR debit.code IS NULL OR credit.code IS NULL OR debit.code = credit.code
       OR NOT (posting.amount > 0 AND posting.amount < 1e20)
       OR posting.amount <> round(posting.amount, CASE posting.asset WHEN 'USD' THEN 8 ELSE 18 END)
    """,
)
FEES_ARE_OURS = Check(
    "fees-never-touch-players",
    "no posting pairs a fee account with a player's account",
    """
    SELECT id::text AS subject, format('%s / %s, %s', debit_id, credit_id, amount) AS problem
    FROM ledger_posting
    WHERE (starts_with(debit_id, 'player:') AND credit_id LIKE '%fees%')
       OR (starts_with(credit_id, 'player:') AND debit_id LIKE '%fees%')
    """,
)
BALANCES_ARE_POSTINGS = Check(
    "balances-equal-postings",
    "every holder's share is what his postings add up to, and not negative",
    """
    SELECT format('%s %s', coalesce(balance.holder, posted.holder),
                  coalesce(balance.account_id, posted.account_id)) AS subject,
           format('balance %s, postings %s', coalesce(balance.amount::text, 'missing'),
                  coalesce(posted.amount, 0)) AS problem
    FROM ledger_balance balance
    FULL JOIN (
        SELECT posting.holder, side.account_id,
               sum(CASE WHEN side.name = account.normal_side THEN posting.amount ELSE -posting.amount END) AS amount
        FROM ledger_posting posting
        CROSS JOIN LATERAL (VALUES (posting.debit_id, 'debit'), (posting.credit_id, 'credit'))
            AS side (account_id, name)
        JOIN ledger_account account ON account.code = side.account_id AND account.held
        GROUP BY 1, 2
    ) posted ON posted.holder = balance.holder AND posted.account_id = balance.account_id
    WHERE coalesce(balance.amount, 0) <> coalesce(posted.amount, 0) OR balance.amount < 0
    """,
)
REVERSALS_MIRROR = Check(
    "reversals-mirror-originals",
    "a reversal moves back exactly what its original moved, in the same book",
    """
    SELECT reversal.id::text AS subject, format('does not mirror entry %s', original.id) AS problem
    FROM ledger_journalentry reversal JOIN ledger_journalentry original ON original.id = reversal.reverses_id
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
)

register_checks([ENTRIES_HAVE_POSTINGS, POSTINGS_FIT, FEES_ARE_OURS, BALANCES_ARE_POSTINGS, REVERSALS_MIRROR])
