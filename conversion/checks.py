"""What `verify_books` proves about rates, runs and conversions."""

from ledger.book import RECENT_ENTRIES, SINCE, Check, register_checks

# What entries since the last clean verification touched: conversions, the days whose wins they took, voids, players. As
# arrays, which are made once and looked up: joined, they have led the planner to scan the history.
RECENT_LINES = f"WHERE entry_id = ANY(ARRAY(SELECT id FROM {RECENT_ENTRIES} AS recent))"
RECENT_HOLDERS = f"ANY(ARRAY(SELECT DISTINCT holder FROM {RECENT_ENTRIES} AS recent))"
RECENT_DAYS = f"""WHERE id = ANY(ARRAY(
    SELECT day.id FROM {RECENT_ENTRIES} AS recent
    JOIN conversion_conversion line ON line.entry_id = recent.id
    JOIN rewards_allowance day ON day.player_id = line.player_id AND day.day = line.day
))"""
# Finds a player's wins by the day, and not among all that he ever had.
OF_ITS_DAY = """
    AND win.allowance_id = (SELECT id FROM rewards_allowance WHERE player_id = line.player_id AND day = line.day)
"""
RECENT_SHARED = f"ANY(ARRAY(SELECT conversion_id FROM conversion_voidedconversion {RECENT_LINES}))"
RECENT_VOIDED = f"ANY(ARRAY(SELECT win_id FROM rewards_void {RECENT_LINES}))"

WINS_NAME_THEIR_CONVERSIONS = Check(
    "converted-wins-have-conversions",
    "a converted win names a conversion of its own player, hour and day",
    """
    SELECT win.entry_id::text AS subject, format('converted by %s', win.converted_by_id) AS problem
    FROM (SELECT * FROM rewards_allowance {days}) day
    JOIN rewards_win win ON win.player_id = day.player_id AND win.allowance_id = day.id
    LEFT JOIN conversion_conversion line ON line.player_id = win.player_id AND line.entry_id = win.converted_by_id
    WHERE win.converted_by_id IS NOT NULL
      AND (line.entry_id IS NULL OR line.hour <> date_trunc('hour', win.won_at, 'UTC') OR line.day <> day.day)
    """,
    recent={"days": RECENT_DAYS},
)
CONVERSIONS_ARE_WINS = Check(
    "conversions-equal-wins",
    "the tokens of a conversion are exactly those of the wins that it converted",
    """
    SELECT line.entry_id::text AS subject, format('tokens %s, wins %s', line.tokens, coalesce(sum(win.amount), 0))
        AS problem
    FROM (SELECT * FROM conversion_conversion {lines}) line
    LEFT JOIN rewards_win win ON win.player_id = line.player_id AND win.converted_by_id = line.entry_id {day}
    GROUP BY line.entry_id, line.tokens
    HAVING line.tokens <> coalesce(sum(win.amount), 0)
    """,
    recent={"lines": RECENT_LINES, "day": OF_ITS_DAY},
)
CONVERSIONS_ARE_ENTRIES = Check(
    "conversions-equal-entries",
    "a conversion is one entry with its legs and no other, and every such entry is a conversion",
    """
    SELECT coalesce(line.entry_id, posted.entry_id)::text AS subject,
           format('line %s, entry %s with %s postings', coalesce(line.entry_id::text, 'missing'),
                  coalesce(posted.entry_id::text, 'missing'), posted.legs) AS problem
    FROM (SELECT * FROM conversion_conversion {lines}) line
    FULL JOIN (
        SELECT entry.id AS entry_id, entry.holder, entry.posted_at, count(posting.id) AS legs,
               sum(amount) FILTER (WHERE debit_id = 'player:dream' AND credit_id = 'dream:redeemed') AS tokens,
               sum(amount) FILTER (WHERE debit_id = 'usd:rewards-expense' AND credit_id = 'player:usd') AS usd,
               coalesce(sum(amount) FILTER (
                   WHERE debit_id = 'usd:conversion-fees' AND credit_id = 'usd:fees-payable'), 0) AS fee,
               coalesce(sum(amount) FILTER (
                   WHERE debit_id = 'player:usd' AND credit_id = 'player:usd-owed'), 0) AS recovered
        FROM (SELECT * FROM ledger_journalentry {entries}) entry
        LEFT JOIN ledger_posting posting ON posting.entry_id = entry.id AND posting.holder = entry.holder
        WHERE entry.kind = 'conversion'
        GROUP BY entry.id, entry.holder, entry.posted_at
    ) posted ON posted.entry_id = line.entry_id
    WHERE line.entry_id IS NULL OR posted.entry_id IS NULL
       OR (posted.holder, posted.posted_at, posted.tokens, posted.usd, posted.fee, posted.recovered, posted.legs)
          IS DISTINCT FROM (line.player_id, line.converted_at, line.tokens, line.usd, line.fee, line.recovered,
                            2 + (line.fee > 0)::int + (line.recovered > 0)::int)
    """,
    recent={"lines": RECENT_LINES, "entries": SINCE},
)
USD_IS_TOKENS_AT_RATE = Check(
    "usd-equals-tokens-at-rate",
    "the USD of a conversion are its tokens at the accepted rate of its hour, half-even at 8 decimals",
    """
    SELECT line.entry_id::text AS subject,
           format('usd %s, tokens %s, rate %s of %s (%s)', line.usd, line.tokens, rate.price, rate.hour, rate.state)
               AS problem
    FROM (SELECT * FROM conversion_conversion {lines}) line
    LEFT JOIN conversion_rate rate ON rate.id = line.rate_id
    WHERE (rate.state, rate.hour, round_half_even(line.tokens * rate.price, 8))
          IS DISTINCT FROM ('accepted', line.hour, line.usd)
    """,
    recent={"lines": RECENT_LINES},
)
FEES_FOLLOW_RULES = Check(
    "fees-follow-rules",
    "the fee of a conversion is what its rule says, half-even at 8 decimals, and the rule was in force at its hour",
    """
    SELECT line.entry_id::text AS subject,
           format('fee %s, usd %s, rule %s + %s, at least %s, from %s', line.fee, line.usd, rule.percentage, rule.fixed,
                  rule.minimum, rule.effective_from) AS problem
    FROM (SELECT * FROM conversion_conversion {lines}) line
    LEFT JOIN (
        SELECT *, lead(effective_from, 1, 'infinity') OVER (ORDER BY effective_from) AS effective_until
        FROM conversion_feerule
    ) rule ON rule.id = line.fee_rule_id
    WHERE rule.id IS NULL
       OR line.hour < rule.effective_from OR line.hour >= rule.effective_until
       OR line.fee <> conversion_fee(line.usd, rule.percentage, rule.fixed, rule.minimum)
    """,
    recent={"lines": RECENT_LINES},
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
    WHERE run.state = 'done' {runs}
    GROUP BY run.id
    HAVING (run.conversions, run.tokens, run.usd, run.fees) IS DISTINCT FROM
           (count(line.entry_id), coalesce(sum(line.tokens), 0), coalesce(sum(line.usd), 0),
            coalesce(sum(line.fee), 0))
        OR max(line.hour) > run.hour
    """,
    recent={"runs": "AND run.finished_at > %(since_time)s - interval '1 hour'"},
)

VOIDS_TAKE_CONVERSIONS_BACK = Check(
    "voids-take-conversions-back",
    "a win that was converted and voided has its share of that very conversion taken back, and no other win has",
    """
    SELECT coalesce(win.entry_id, share.win_id)::text AS subject,
           format('converted by %s, share %s of %s', win.converted_by_id, share.entry_id, share.conversion_id)
               AS problem
    FROM (SELECT * FROM rewards_win WHERE converted_by_id IS NOT NULL AND voided_by_id IS NOT NULL {voided}) win
    FULL JOIN (SELECT * FROM conversion_voidedconversion {shares}) share ON share.win_id = win.entry_id
    LEFT JOIN conversion_conversion line ON line.entry_id = share.conversion_id
    WHERE (win.player_id, win.converted_by_id, win.amount, line.player_id, line.hour, line.day)
          IS DISTINCT FROM
          (share.player_id, share.conversion_id, share.tokens, share.player_id, share.hour, share.day)
    """,
    recent={"voided": f"AND entry_id = {RECENT_VOIDED}", "shares": RECENT_LINES},
)
SHARES_ARE_ENTRIES = Check(
    "voided-conversions-equal-entries",
    "a share that was taken back is one entry with its legs and no other, and every such entry is a share",
    """
    SELECT coalesce(share.entry_id, posted.entry_id)::text AS subject,
           format('share %s, entry %s with %s postings', coalesce(share.entry_id::text, 'missing'),
                  coalesce(posted.entry_id::text, 'missing'), posted.legs) AS problem
    FROM (SELECT * FROM conversion_voidedconversion {shares}) share
    FULL JOIN (
        SELECT entry.id AS entry_id, entry.holder, entry.posted_at, count(posting.id) AS legs,
               sum(amount) FILTER (WHERE debit_id = 'dream:redeemed' AND credit_id = 'player:dream') AS tokens,
               coalesce(sum(amount) FILTER (
                   WHERE debit_id = 'player:usd' AND credit_id = 'usd:rewards-expense'), 0) AS covered,
               coalesce(sum(amount) FILTER (
                   WHERE debit_id = 'player:usd-owed' AND credit_id = 'usd:rewards-expense'), 0) AS owed
        FROM (SELECT * FROM ledger_journalentry {entries}) entry
        LEFT JOIN ledger_posting posting ON posting.entry_id = entry.id AND posting.holder = entry.holder
        WHERE entry.kind = 'conversion-void'
        GROUP BY entry.id, entry.holder, entry.posted_at
    ) posted ON posted.entry_id = share.entry_id
    WHERE share.entry_id IS NULL OR posted.entry_id IS NULL
       OR (posted.holder, posted.posted_at, posted.tokens, posted.covered, posted.owed, posted.legs)
          IS DISTINCT FROM (share.player_id, share.voided_at, share.tokens, share.usd - share.owed, share.owed,
                            1 + (share.usd > share.owed)::int + (share.owed > 0)::int)
    """,
    recent={"shares": RECENT_LINES, "entries": SINCE},
)
SHARES_ARE_AT_RATE = Check(
    "voided-usd-equals-tokens-at-rate",
    "the USD taken back of a conversion are its voided tokens at its rate; of a whole one exactly its USD",
    """
    SELECT line.entry_id::text AS subject,
           format('taken back %s USD of %s, %s DREAM of %s', sum(share.usd), line.usd, sum(share.tokens), line.tokens)
               AS problem
    FROM conversion_voidedconversion share
    JOIN conversion_conversion line ON line.player_id = share.player_id AND line.entry_id = share.conversion_id
    JOIN conversion_rate rate ON rate.id = line.rate_id
    {shared}
    GROUP BY line.entry_id, rate.price
    HAVING sum(share.usd) <> round_half_even(sum(share.tokens) * rate.price, 8) OR sum(share.tokens) > line.tokens
        OR sum(share.usd) > line.usd
    """,
    recent={"shared": f"WHERE line.entry_id = {RECENT_SHARED}"},
)
OWED_IS_WHAT_VOIDS_LEFT = Check(
    "owed-equals-voids-less-recovered",
    "what conversions and voids posted to what players owe is what voids found spent, less what conversions recovered",
    """
    SELECT player::text AS subject, format('posted %s, facts %s', sum(posted), sum(facts)) AS problem
    FROM (
        SELECT posting.holder AS player, CASE posting.debit_id WHEN 'player:usd-owed' THEN amount ELSE -amount END
            AS posted, 0 AS facts
        FROM ledger_posting posting JOIN ledger_journalentry entry ON entry.id = posting.entry_id
        WHERE 'player:usd-owed' IN (debit_id, credit_id) AND entry.kind IN ('conversion', 'conversion-void') {holders}
        UNION ALL SELECT player_id, 0, owed FROM conversion_voidedconversion {players}
        UNION ALL SELECT player_id, 0, -recovered FROM conversion_conversion {players}
    ) moved
    GROUP BY player HAVING sum(posted) <> sum(facts)
    """,
    recent={
        "holders": f"AND posting.holder = {RECENT_HOLDERS}",
        "players": f"WHERE player_id = {RECENT_HOLDERS}",
    },
)

register_checks(
    [
        WINS_NAME_THEIR_CONVERSIONS,
        CONVERSIONS_ARE_WINS,
        CONVERSIONS_ARE_ENTRIES,
        USD_IS_TOKENS_AT_RATE,
        FEES_FOLLOW_RULES,
        RUNS_ARE_LINES,
        VOIDS_TAKE_CONVERSIONS_BACK,
        SHARES_ARE_ENTRIES,
        SHARES_ARE_AT_RATE,
        OWED_IS_WHAT_VOIDS_LEFT,
    ]
)
