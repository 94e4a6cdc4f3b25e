"""What `verify_books` proves about requests, their decisions, and what was made by hand."""

from ledger.verification import SINCE, Check, register_checks

# The entries that only people make, as the trigger `journal_entry_by_hand` knows them (sql/approval.sql).
ENTRIES_ARE_APPROVED = Check(
    "entries-by-hand-are-approved",
    "an entry that people make is in the outcome of one request, asked by one person and approved by another",
    """
    SELECT entry.id::text AS subject,
           format('%s, request %s', entry.kind, coalesce(entry.metadata->>'request', 'none')) AS problem
    FROM (SELECT * FROM ledger_journalentry {entries}) entry
    LEFT JOIN ledger_approvaloutcome outcome ON outcome.request_id::text = entry.metadata->>'request'
        AND entry.id = ANY(outcome.entry_ids)
    LEFT JOIN ledger_approvaldecision decision ON decision.request_id = outcome.request_id
        AND decision.verdict = 'approved' AND decision.transaction = entry.transaction
        AND decision.asked_by_id = entry.posted_by_id AND decision.decided_by_id <> decision.asked_by_id
    WHERE decision.request_id IS NULL
      AND (entry.kind IN ('adjustment', 'funding', 'reversal')
           OR (entry.reverses_id IS NOT NULL AND entry.kind <> 'void') OR entry.metadata ? 'request')
    """,
    recent={"entries": SINCE},
)
REQUESTS_HAVE_THEIR_OUTCOME = Check(
    "approved-requests-have-their-outcome",
    "an approved request came to exactly the entries that were asked for, and no other request came to anything",
    """
    SELECT request.id::text AS subject,
           CASE WHEN outcome.request_id IS NULL THEN 'approved, and nothing came of it'
                WHEN decision.verdict IS DISTINCT FROM 'approved' THEN 'something came of it without an approval'
                ELSE format('came to %s entries, posted %s', cardinality(outcome.entry_ids), cardinality(posted.ids))
           END AS problem
    FROM ledger_approvalrequest request
    LEFT JOIN ledger_approvaldecision decision ON decision.request_id = request.id
    LEFT JOIN ledger_approvaloutcome outcome ON outcome.request_id = request.id
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(entry.id ORDER BY entry.id), ARRAY[]::uuid[]) AS ids,
               coalesce(jsonb_agg(journal_entry_plan(entry)), '[]') AS entries
        FROM ledger_journalentry entry
        WHERE entry.transaction = decision.transaction AND entry.metadata->>'request' = request.id::text
    ) posted
    WHERE (outcome.request_id IS NOT NULL OR decision.verdict = 'approved')
      AND (outcome.request_id IS NULL OR decision.verdict IS DISTINCT FROM 'approved'
           OR posted.ids <> outcome.entry_ids
           OR (jsonb_typeof(request.plan) = 'array' AND in_order(request.plan) <> in_order(posted.entries)))
    """,
)
DECIDED_BY_ANOTHER = Check(
    "decisions-are-anothers",
    "a request was decided by another person than its asker, or withdrawn by him; in time where it was approved",
    """
    SELECT decision.request_id::text AS subject,
           format('asked by %s, %s by %s', request.asked_by_id, decision.verdict, decision.decided_by_id) AS problem
    FROM ledger_approvaldecision decision LEFT JOIN ledger_approvalrequest request ON request.id = decision.request_id
    WHERE request.asked_by_id IS DISTINCT FROM decision.asked_by_id
       OR (decision.verdict = 'withdrawn') <> (decision.decided_by_id = decision.asked_by_id)
       OR (decision.verdict = 'approved' AND decision.decided_at > request.expires_at)
       OR decision.decided_at < request.asked_at
    """,
)
REOPENINGS_ARE_APPROVED = Check(
    "reopenings-are-approved",
    "the lock date moves forward by closing, and back only to where an approved request says",
    """
    SELECT step.id::text AS subject, format('from %s to %s', step.before, step.ends_at) AS problem
    FROM (SELECT *, lag(ends_at) OVER (ORDER BY closed_at) AS before FROM ledger_periodclose) step
    LEFT JOIN ledger_approvalrequest request ON request.id = step.request_id AND request.kind = 'reopening'
        AND (request.payload->>'back_to')::timestamptz = step.ends_at
    LEFT JOIN ledger_approvaloutcome outcome ON outcome.request_id = request.id
        AND outcome.result->>'period_close' = step.id::text
    WHERE (step.request_id IS NULL AND step.ends_at <= step.before)
       OR (step.request_id IS NOT NULL AND (outcome.request_id IS NULL OR step.ends_at >= step.before))
    """,
)

register_checks([ENTRIES_ARE_APPROVED, REQUESTS_HAVE_THEIR_OUTCOME, DECIDED_BY_ANOTHER, REOPENINGS_ARE_APPROVED])
