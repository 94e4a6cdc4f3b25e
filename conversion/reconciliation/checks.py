"""What `verify_books` proves about the provider's statements."""

from ledger.book import SINCE, Check, register_checks

RECENT = "WHERE imported_at > %(since_time)s - interval '1 hour'"  # taken before the transaction commits
RECENT_RESOLVED = "WHERE resolved_at > %(since_time)s - interval '1 hour'"
STATEMENTS_ARE_LINES = Check(
    "statements-equal-lines",
    "a statement of the provider has as many lines, and as much on them, as its file said",
    """
    SELECT statement.provider || ' ' || statement.reference AS subject,
           format('said %s lines, %s DREAM, %s USD, %s USD of fees; there are %s, %s, %s, %s', statement.lines,
                  statement.tokens, statement.usd, statement.fees, found.lines, found.tokens, found.usd, found.fees)
               AS problem
    FROM (SELECT * FROM conversion_providerstatement {statements}) statement
    CROSS JOIN LATERAL (
        SELECT count(*) AS lines, coalesce(sum(tokens), 0) AS tokens, coalesce(sum(usd), 0) AS usd,
               coalesce(sum(fee), 0) AS fees
        FROM conversion_statementline WHERE statement_id = statement.id
    ) found
    WHERE (found.lines, found.tokens, found.usd, found.fees)
       <> (statement.lines, statement.tokens, statement.usd, statement.fees)
    """,
    recent={"statements": RECENT},
)
DIFFERENCES_FOLLOW = Check(
    "differences-follow-from-statements",
    "the differences of a statement are exactly those between its lines and our conversions",
    """
    SELECT statement.provider || ' ' || statement.reference AS subject,
           format('%s %s: listed with a fee effect of %s, follows with %s', kind, named,
                  coalesce(stored.fee_effect::text, '-'), coalesce(derived.fee_effect::text, '-')) AS problem
    FROM (
        SELECT statement.id AS statement_id, kind, concat_ws(' ', line_id, conversion_id) AS named, fee_effect
        FROM (SELECT * FROM conversion_providerstatement {statements}) statement
        CROSS JOIN LATERAL statement_differences(statement.id)
    ) derived
    FULL JOIN (
        SELECT statement_id, kind, concat_ws(' ', line_id, conversion_id) AS named, fee_effect
        FROM conversion_difference
        WHERE statement_id IN (SELECT id FROM conversion_providerstatement {statements})
    ) stored USING (statement_id, kind, named)
    LEFT JOIN conversion_providerstatement statement ON statement.id = statement_id
    WHERE derived.fee_effect IS DISTINCT FROM stored.fee_effect
    """,
    recent={"statements": RECENT},
)

RESOLUTIONS_ARE_ENTRIES = Check(
    "resolutions-equal-entries",
    "a resolved difference is booked to the last digit where the provider is right, and every such entry is one",
    """
    SELECT coalesce(resolution.entry_id, resolution.difference_id, posted.entry_id)::text AS subject,
           format('resolved for %s with %s of %s, posted %s', resolution."right", resolution.amount,
                  resolution.fee_effect, posted.amount) AS problem
    FROM (
        SELECT resolved.*, difference.fee_effect FROM conversion_differenceresolution resolved
        LEFT JOIN conversion_difference difference ON difference.id = resolved.difference_id
        {resolutions}
    ) resolution
    FULL JOIN (
        SELECT entry.id AS entry_id, entry.posted_at, count(*) AS legs,
               sum(CASE WHEN (debit_id, credit_id) = ('usd:conversion-fees', 'usd:fees-payable') THEN amount
                        WHEN (debit_id, credit_id) = ('usd:fees-payable', 'usd:conversion-fees') THEN -amount END)
                   AS amount
        FROM (SELECT * FROM ledger_journalentry {entries}) entry
        JOIN ledger_posting posting ON posting.holder = entry.holder AND posting.entry_id = entry.id
        WHERE entry.kind = 'fee-adjustment'
        GROUP BY entry.id, entry.posted_at
    ) posted ON posted.entry_id = resolution.entry_id
    WHERE resolution.difference_id IS NULL
       OR resolution.amount IS DISTINCT FROM
          CASE WHEN resolution."right" = 'provider' THEN resolution.fee_effect ELSE 0 END
       OR (resolution.amount <> 0 AND (posted.amount, posted.posted_at, posted.legs)
           IS DISTINCT FROM (resolution.amount, resolution.resolved_at, 1))
    """,
    recent={
        "entries": f"{SINCE} OR id = ANY(ARRAY(SELECT entry_id FROM conversion_differenceresolution"
        f" {RECENT_RESOLVED}))",
        "resolutions": RECENT_RESOLVED,
    },
)

register_checks([STATEMENTS_ARE_LINES, DIFFERENCES_FOLLOW, RESOLUTIONS_ARE_ENTRIES])
