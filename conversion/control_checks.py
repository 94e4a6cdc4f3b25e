"""What `verify_books` proves about the life of runs, fees that were paid, and wins that nothing would take any more."""

from django.conf import settings

from ledger.book import RECENT_ENTRIES, SINCE, Check, register_checks

RUNS_HAVE_LIVES = Check(
    "runs-equal-transitions",
    "every run is where its last recorded transition led, and each transition begins where the one before ended",
    """
    SELECT run.hour::text AS subject,
           format('run %s, recorded %s', run.state, coalesce(life.path, 'nothing')) AS problem
    FROM conversion_conversionrun run
    LEFT JOIN (
        SELECT run_id, string_agg(to_state, ' ' ORDER BY id) AS path,
               (array_agg(to_state ORDER BY id DESC))[1] AS last_state,
               bool_and(from_state = previous) AS unbroken
        FROM (SELECT *, lag(to_state, 1, '') OVER (PARTITION BY run_id ORDER BY id) AS previous
              FROM conversion_runtransition) step
        GROUP BY run_id
    ) life ON life.run_id = run.id
    WHERE (life.last_state, life.unbroken) IS DISTINCT FROM (run.state, true)
    """,
)
# The fees of conversions are compared one by one; only what touches the account besides makes a sum of all worth while.
OTHERS_THAN_CONVERSIONS = f"""
    SELECT FROM {RECENT_ENTRIES} AS entry
    JOIN ledger_posting posting ON posting.holder = entry.holder AND posting.entry_id = entry.id
    WHERE entry.kind <> 'conversion' AND 'usd:fees-payable' IN (posting.debit_id, posting.credit_id)
"""
FEES_PAYABLE_ARE_FEES = Check(
    "fees-payable-equal-fees",
    "what is owed for fees is the fees of the conversions less settlements and what was reversed of either",
    """
    SELECT 'usd:fees-payable' AS subject, format('posted %s, facts %s', posted.amount, conversion_fees_payable())
        AS problem
    FROM (SELECT coalesce(sum(CASE WHEN credit_id = 'usd:fees-payable' THEN amount ELSE -amount END), 0) AS amount
          FROM ledger_posting WHERE 'usd:fees-payable' IN (debit_id, credit_id)) posted
    WHERE {touched} posted.amount <> conversion_fees_payable()
    """,
    recent={"touched": f"EXISTS ({OTHERS_THAN_CONVERSIONS}) AND"},
)
SETTLEMENTS_ARE_ENTRIES = Check(
    "settlements-equal-entries",
    "a settlement is one entry that pays its amount out of cash, and every such entry is a settlement",
    """
    SELECT coalesce(settlement.entry_id, posted.entry_id)::text AS subject,
           format('settlement %s, posted %s', settlement.amount, posted.amount) AS problem
    FROM (SELECT * FROM conversion_feesettlement {settlements}) settlement
    FULL JOIN (
        SELECT entry.id AS entry_id, entry.posted_at, count(*) AS legs,
               sum(amount) FILTER (WHERE debit_id = 'usd:fees-payable' AND credit_id = 'usd:cash') AS amount
        FROM (SELECT * FROM ledger_journalentry {entries}) entry
        JOIN ledger_posting posting ON posting.holder = entry.holder AND posting.entry_id = entry.id
        WHERE entry.kind = 'fee-settlement'
        GROUP BY entry.id, entry.posted_at
    ) posted ON posted.entry_id = settlement.entry_id
    WHERE (settlement.amount, settlement.settled_at, 1) IS DISTINCT FROM (posted.amount, posted.posted_at, posted.legs)
    """,
    recent={
        "entries": SINCE,
        "settlements": f"WHERE entry_id = ANY(ARRAY(SELECT id FROM {RECENT_ENTRIES} AS recent))",
    },
)
RATES_WERE_DECIDED_BY_TWO = Check(
    "decided-rates-have-two-people",
    "a rate that people let pass is the quarantined one, asked for by one of them and approved by another",
    """
    SELECT rate.id::text AS subject, format('%s for %s', rate.price, rate.hour) AS problem
    FROM conversion_rate rate
    LEFT JOIN (
        SELECT outcome.result->>'rate' AS rate_id, held.id AS held_id, decision.decided_by_id, held.hour, held.price
        FROM ledger_approvalrequest request
        JOIN ledger_approvaldecision decision ON decision.request_id = request.id AND decision.verdict = 'approved'
         AND decision.decided_by_id <> request.asked_by_id
        JOIN ledger_approvaloutcome outcome ON outcome.request_id = request.id
        JOIN conversion_rate held ON held.id::text = request.payload->>'rate' AND held.state = 'quarantined'
        WHERE request.kind = 'quarantined-rate'
    ) decided ON decided.rate_id = rate.id::text
    WHERE rate.decides_id IS NOT NULL
      AND (decided.held_id, decided.decided_by_id, decided.hour, decided.price)
          IS DISTINCT FROM (rate.decides_id, rate.decided_by_id, rate.hour, rate.price)
    """,
)
FEE_RULES_ARE_APPROVED = Check(
    "fee-rules-are-approved",
    "a fee rule that names a request came of it, and what came of a request says what was asked for",
    """
    SELECT coalesce(rule.id::text, asked.rule_id) AS subject,
           format('request %s, rule from %s', coalesce(rule.request_id, asked.id), rule.effective_from) AS problem
    FROM conversion_feerule rule
    FULL JOIN (
        SELECT request.id, outcome.result->>'fee_rule' AS rule_id, request.payload
        FROM ledger_approvalrequest request
        JOIN ledger_approvaloutcome outcome ON outcome.request_id = request.id WHERE request.kind = 'fee-rule'
    ) asked ON asked.rule_id = rule.id::text AND asked.id = rule.request_id
    WHERE (rule.request_id IS NOT NULL AND asked.id IS NULL)
       OR (asked.id IS NOT NULL
           AND ((asked.payload->>'effective_from')::timestamptz, asked.payload->>'provider',
                (asked.payload->>'percentage')::numeric, (asked.payload->>'fixed')::numeric,
                (asked.payload->>'minimum')::numeric)
               IS DISTINCT FROM (rule.effective_from, rule.provider, rule.percentage, rule.fixed, rule.minimum))
    """,
)
SETTLEMENTS_ARE_APPROVED = Check(
    "settlements-are-approved",
    "fees were paid by a request that one person asked and another one approved, under its reference",
    """
    SELECT settlement.entry_id::text AS subject,
           format('%s, request %s', settlement.reference, coalesce(request.id::text, 'none')) AS problem
    FROM conversion_feesettlement settlement
    LEFT JOIN ledger_approvaloutcome outcome ON settlement.entry_id = ANY(outcome.entry_ids)
    LEFT JOIN ledger_approvalrequest request ON request.id = outcome.request_id AND request.kind = 'fee-settlement'
    WHERE (request.reference, request.asked_by_id)
          IS DISTINCT FROM (settlement.reference, settlement.posted_by_id)
    """,
)
# The hours whose wins no run would take any more: they and all that could be late for them are done.
LATE_WINDOW = f"interval '{int(settings.CONVERSION_LATE_WINDOW.total_seconds())} seconds'"
NOTHING_IS_LEFT_BEHIND = Check(
    "old-pending-wins-are-dust",
    "a win that is still pending when no run would take it any more is worth no USD at the rate of its hour",
    f"""
    SELECT format('%s at %s', lot.player_id, lot.hour) AS subject,
           format('%s DREAM at %s', lot.tokens, coalesce(rate.price::text, 'no rate')) AS problem
    FROM (
        SELECT player_id, date_trunc('hour', won_at, 'UTC') AS hour, sum(amount) AS tokens
        FROM rewards_win WHERE converted_by_id IS NULL AND voided_by_id IS NULL
        GROUP BY player_id, date_trunc('hour', won_at, 'UTC'), allowance_id
    ) lot
    LEFT JOIN conversion_rate rate ON rate.hour = lot.hour AND rate.state = 'accepted'
    WHERE round_half_even(lot.tokens * rate.price, 8) IS DISTINCT FROM 0
      AND NOT EXISTS (
          SELECT FROM generate_series(lot.hour, lot.hour + {LATE_WINDOW}, interval '1 hour', 'UTC') AS hour
          WHERE NOT EXISTS (SELECT FROM conversion_conversionrun run WHERE run.hour = hour.hour AND state = 'done'))
    """,
)

register_checks(
    [
        RUNS_HAVE_LIVES,
        FEES_PAYABLE_ARE_FEES,
        SETTLEMENTS_ARE_ENTRIES,
        RATES_WERE_DECIDED_BY_TWO,
        FEE_RULES_ARE_APPROVED,
        SETTLEMENTS_ARE_APPROVED,
        NOTHING_IS_LEFT_BEHIND,
    ]
)
