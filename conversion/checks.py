"""What `verify_books` proves about rates, runs and conversions."""

from ledger.book import Check, register_checks

WINS_NAME_THEIR_CONVERSIONS = Check(
    "converted-wins-have-conversions",
    "a converted win names a conversion of its own player, hour and day",
    """
    SELECT win.entry_id::text AS subject, format('converted by %s', win.converted_by_id) AS problem
    FROM rewards_win win
    JOIN rewards_allowance day ON day.player_id = win.player_id AND day.id = win.allowance_id
    LEFT JOIN conversion_conversion line ON line.player_id = win.player_id AND line.entry_id = win.converted_by_id
    WHERE win.converted_by_id IS NOT NULL
      AND (line.entry_id IS NULL OR line.hour <> date_trunc('hour', win.won_at, 'UTC') OR line.day <> day.day)
    """,
)
CONVERSIONS_ARE_WINS = Check(
    "conversions-equal-wins",
    "the tokens of a conversion are exactly those of the wins that it converted",
    """
    SELECT line.entry_id::text AS subject, format('tokens %s, wins %s', line.tokens, coalesce(sum(win.amount), 0))
        AS problem
    FROM conversion_conversion line
    LEFT JOIN rewards_win win ON win.player_id = line.player_id AND win.converted_by_id = line.entry_id
    GROUP BY line.entry_id
    HAVING line.tokens <> coalesce(sum(win.amount), 0)
    """,
)
CONVERSIONS_ARE_ENTRIES = Check(
    "conversions-equal-entries",
    "a conversion is one entry with its three legs and no other, and every such entry is a conversion",
    """
    SELECT coalesce(line.entry_id, posted.entry_id)::text AS subject,
           format('line %s, entry %s with %s postings', coalesce(line.entry_id::text, 'missing'),
                  coalesce(posted.entry_id::text, 'missing'), posted.legs) AS problem
    FROM conversion_conversion line
    FULL JOIN (
        SELECT entry.id AS entry_id, entry.holder, entry.posted_at, count(posting.id) AS legs,
               sum(amount) FILTER (WHERE debit_id = 'player:dream' AND credit_id = 'dream:redeemed') AS tokens,
               sum(amount) FILTER (WHERE debit_id = 'usd:rewards-expense' AND credit_id = 'player:usd') AS usd,
               coalesce(sum(amount) FILTER (
                   WHERE debit_id = 'usd:conversion-fees' AND credit_id = 'usd:fees-payable'), 0) AS fee
        FROM ledger_journalentry entry
        LEFT JOIN ledger_posting posting ON posting.entry_id = entry.id AND posting.holder = entry.holder
        WHERE entry.kind = 'conversion'
        GROUP BY entry.id
    ) posted ON posted.entry_id = line.entry_id
    WHERE line.entry_id IS NULL OR posted.entry_id IS NULL
       OR (posted.holder, posted.posted_at, posted.tokens, posted.usd, posted.fee, posted.legs)
          IS DISTINCT FROM (line.player_id, line.converted_at, line.tokens, line.usd, line.fee,
                            CASE WHEN line.fee = 0 THEN 2 ELSE 3 END)
    """,
)
USD_IS_TOKENS_AT_RATE = Check(
    "usd-equals-tokens-at-rate",
    "the USD of a conversion are its tokens at the accepted rate of its hour, half-even at 8 decimals",
    """
    SELECT line.entry_id::text AS subject,
           format('usd %s, tokens %s, rate %s of %s (%s)', line.usd, line.tokens, rate.price, rate.hour, rate.state)
               AS problem
    FROM conversion_conversion line LEFT JOIN conversion_rate rate ON rate.id = line.rate_id
    WHERE (rate.state, rate.hour, round_half_even(line.tokens * rate.price, 8))
          IS DISTINCT FROM ('accepted', line.hour, line.usd)
    """,
)
FEES_FOLLOW_RULES = Check(
    "fees-follow-rules",
    "the fee of a conversion is what its rule says, half-even at 8 decimals, and the rule was in force at its hour",
    """
    SELECT line.entry_id::text AS subject,
           format('fee %s, usd %s, rule %s + %s from %s', line.fee, line.usd, rule.percentage, rule.fixed,
                  rule.effective_from) AS problem
    FROM conversion_conversion line LEFT JOIN conversion_feerule rule ON rule.id = line.fee_rule_id
    WHERE rule.id IS NULL OR rule.effective_from > line.hour
       OR line.fee <> round_half_even(line.usd * rule.percentage + rule.fixed, 8)
    """,
)
RUNS_ARE_LINES = Check(
    "runs-equal-lines",
    "the totals of a finished run are the sums of its lines, and none of them is of a later hour",
    """
    SELECT run.hour::text AS subject,
           format('run %s: %s, %s, %s; lines %s: %s, %s, %s', run.conversions, run.tokens, run.usd, run.fees,
                  count(line.entry_id), coalesce(sum(line.tokens), 0), coalesce(sum(line.usd), 0),
                  coalesce(sum(line.fee), 0)) AS problem
    FROM conversion_conversionrun run LEFT JOIN conversion_conversion line ON line.run_id = run.id
    WHERE run.state = 'done'
    GROUP BY run.id
    HAVING (run.conversions, run.tokens, run.usd, run.fees) IS DISTINCT FROM
           (count(line.entry_id), coalesce(sum(line.tokens), 0), coalesce(sum(line.usd), 0),
            coalesce(sum(line.fee), 0))
        OR max(line.hour) > run.hour
    """,
)

register_checks(
    [
        WINS_NAME_THEIR_CONVERSIONS,
        CONVERSIONS_ARE_WINS,
        CONVERSIONS_ARE_ENTRIES,
        USD_IS_TOKENS_AT_RATE,
        FEES_FOLLOW_RULES,
        RUNS_ARE_LINES,
    ]
)
