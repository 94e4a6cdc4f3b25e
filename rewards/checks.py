"""What `verify_books` proves about days and wins."""

from ledger.book import RECENT_ENTRIES, SINCE, Check, register_checks

# What entries since the last clean verification touched: the players, the wins that they are or take back, and their
# days. As arrays, which are made once and looked up: joined, they have led the planner to scan the history.
RECENT_HOLDERS = f"ANY(ARRAY(SELECT DISTINCT holder FROM {RECENT_ENTRIES} AS recent))"
RECENT_WINS = f"ANY(ARRAY(SELECT id FROM {RECENT_ENTRIES} AS recent))"
RECENT_VOIDED = f"""ANY(ARRAY(
    SELECT void.win_id FROM rewards_void void JOIN {RECENT_ENTRIES} AS recent ON recent.id = void.entry_id
    UNION SELECT reverses_id FROM {RECENT_ENTRIES} AS recent WHERE reverses_id IS NOT NULL
))"""
RECENT_DAYS = f"""ANY(ARRAY(
    SELECT allowance_id FROM rewards_win WHERE entry_id = {RECENT_WINS}
    UNION SELECT allowance_id FROM rewards_win WHERE entry_id = {RECENT_VOIDED}
))"""

ALLOWANCES_ARE_WINS = Check(
    "allowances-equal-wins",
    "what is counted on a day is what was carried there and its wins that were not voided, and not over the cap",
    """
    SELECT format('%s %s', day.player_id, day.day) AS subject,
           format('counted %s of %s, carried %s, wins %s', day.won, day.cap, day.carried, coalesce(sum(win.amount), 0))
               AS problem
    FROM rewards_allowance day
    LEFT JOIN rewards_win win
      ON win.allowance_id = day.id AND win.player_id = day.player_id AND win.voided_by_id IS NULL
    {days}
    GROUP BY day.id
    HAVING day.won <> day.carried + coalesce(sum(win.amount), 0) OR day.won > day.cap
    """,
    recent={"days": f"WHERE day.id = {RECENT_DAYS}"},
)
WINS_ARE_ENTRIES = Check(
    "wins-equal-entries",
    "every win is one entry in its player's book that issues its amount, and every such entry is a win",
    """
    SELECT coalesce(win.entry_id, issued.entry_id)::text AS subject,
           format('win %s, issued %s', coalesce(win.amount::text, 'missing'),
                  coalesce(issued.amount::text, 'missing')) AS problem
    FROM (SELECT * FROM rewards_win {wins}) win
    FULL JOIN (
        SELECT entry.id AS entry_id, entry.holder, posting.debit_id, posting.credit_id, sum(posting.amount) AS amount
        FROM (SELECT * FROM ledger_journalentry {entries}) entry
        JOIN ledger_posting posting ON posting.entry_id = entry.id AND posting.holder = entry.holder
        WHERE entry.kind = 'win'
        GROUP BY 1, 2, 3, 4
    ) issued ON issued.entry_id = win.entry_id
    WHERE win.entry_id IS NULL OR issued.entry_id IS NULL OR issued.holder <> win.player_id
       OR issued.debit_id <> 'dream:issued' OR issued.credit_id <> 'player:dream' OR issued.amount <> win.amount
    """,
    recent={"entries": SINCE, "wins": f"WHERE entry_id = {RECENT_WINS}"},
)
WINS_LIE_IN_THEIR_DAYS = Check(
    "wins-lie-in-their-days",
    "every win lies within the bounds of the day that counts it, is its player's, and was won in a game that there is",
    """
    SELECT win.entry_id::text AS subject,
           format('won at %s, day %s, game %s', win.won_at, day.day, game.slug) AS problem
    FROM (SELECT * FROM rewards_win {wins}) win
    LEFT JOIN rewards_allowance day ON day.id = win.allowance_id
    LEFT JOIN rewards_game game ON game.id = win.game_id
    WHERE day.id IS NULL OR game.id IS NULL OR day.player_id <> win.player_id
       OR win.won_at < day.starts_at OR win.won_at >= day.ends_at
    """,
    recent={"wins": f"WHERE entry_id = {RECENT_WINS}"},
)
DAYS_IN_ORDER = Check(
    "days-in-order",
    "the days of one player do not overlap, and later dates come later",
    """
    SELECT format('%s %s', player_id, day) AS subject, format('begins at %s, before %s ends', starts_at, earlier)
        AS problem
    FROM (
        SELECT player_id, day, starts_at,
               lag(ends_at) OVER by_date AS earlier_ends, lag(day) OVER by_date AS earlier
        FROM rewards_allowance {players} WINDOW by_date AS (PARTITION BY player_id ORDER BY day)
    ) days
    WHERE starts_at < earlier_ends
    """,
    recent={"players": f"WHERE player_id = {RECENT_HOLDERS}"},
)
ISSUED_IS_HELD_OR_REDEEMED = Check(
    "issued-equals-held-and-redeemed",
    "tokens put into the world are held by players or taken back",
    """
    SELECT 'DREAM' AS subject, format('issued %s, redeemed %s, held %s', issued, redeemed, held) AS problem
    FROM (
        SELECT (SELECT coalesce(sum(CASE WHEN debit_id = 'dream:issued' THEN amount ELSE -amount END), 0)
                FROM ledger_posting WHERE 'dream:issued' IN (debit_id, credit_id) {holders}) AS issued,
               (SELECT coalesce(sum(CASE WHEN credit_id = 'dream:redeemed' THEN amount ELSE -amount END), 0)
                FROM ledger_posting WHERE 'dream:redeemed' IN (debit_id, credit_id) {holders}) AS redeemed,
               (SELECT coalesce(sum(amount), 0) FROM ledger_balance WHERE account_id = 'player:dream' {holders}) AS held
    ) tokens
    WHERE issued <> redeemed + held
    """,
    recent={"holders": f"AND holder = {RECENT_HOLDERS}"},
)

VOIDS_ARE_REVERSALS = Check(
    "voids-equal-reversals",
    "a voided win has one void, which is the one reversal of its entry; and every reversal of a win is a void",
    """
    SELECT win.entry_id::text AS subject,
           format('voided by %s, void %s, reversed by %s', coalesce(win.voided_by_id::text, 'none'),
                  coalesce(void.entry_id::text, 'none'), coalesce(reversal.id::text, 'none')) AS problem
    FROM (SELECT * FROM rewards_win {wins}) win
    LEFT JOIN rewards_void void ON void.win_id = win.entry_id
    LEFT JOIN ledger_journalentry reversal ON reversal.reverses_id = win.entry_id
    WHERE (win.voided_by_id, void.entry_id) IS DISTINCT FROM (reversal.id, reversal.id)
       OR (void.player_id, void.voided_at, 'void') IS DISTINCT FROM
          (CASE WHEN void.entry_id IS NOT NULL THEN win.player_id END, reversal.posted_at,
           coalesce(reversal.kind, 'void'))
    UNION ALL
    SELECT entry.id::text, 'calls itself a void and takes back no win'
    FROM (SELECT * FROM ledger_journalentry {entries}) entry LEFT JOIN rewards_void void ON void.entry_id = entry.id
    WHERE entry.kind = 'void' AND void.entry_id IS NULL
    """,
    recent={"entries": SINCE, "wins": f"WHERE entry_id = {RECENT_VOIDED}"},
)
WALLETS_ARE_PENDING_WINS = Check(
    "wallets-equal-pending-wins",
    "a player holds the DREAM of the wins that are neither converted nor voided, and no other",
    """
    SELECT player.id::text AS subject,
           format('wallet %s, pending %s', coalesce(wallet.amount, 0), coalesce(pending.amount, 0)) AS problem
    FROM (SELECT * FROM rewards_player {players}) player
    LEFT JOIN ledger_balance wallet ON wallet.holder = player.id AND wallet.account_id = 'player:dream'
    LEFT JOIN (
        SELECT player_id, sum(amount) AS amount FROM rewards_win
        WHERE converted_by_id IS NULL AND voided_by_id IS NULL GROUP BY player_id
    ) pending ON pending.player_id = player.id
    WHERE coalesce(wallet.amount, 0) <> coalesce(pending.amount, 0)
    """,
    recent={"players": f"WHERE id = {RECENT_HOLDERS}"},
)
ERASED_ARE_ERASED = Check(
    "erased-are-erased",
    "nothing is known about who is erased but the minimum with a date, and nobody is erased without a record",
    """
    SELECT erasure.player_id::text AS subject,
           CASE WHEN player.status <> 'erased' THEN format('is recorded as erased, and %s', player.status)
                ELSE 'is erased, and something is known that need not be kept' END AS problem
    FROM rewards_erasure erasure
    JOIN rewards_player player ON player.id = erasure.player_id
    LEFT JOIN rewards_playerkey key ON key.player_id = erasure.player_id
    LEFT JOIN rewards_profile profile ON profile.player_id = erasure.player_id
    WHERE player.status <> 'erased' OR profile.email_index IS NOT NULL
       OR (key.player_id IS NOT NULL AND erasure.retain_until IS NULL)
    UNION ALL
    SELECT player.id::text, 'is erased without a record of it'
    FROM rewards_player player LEFT JOIN rewards_erasure erasure ON erasure.player_id = player.id
    WHERE player.status = 'erased' AND player.status <> 'active' AND erasure.player_id IS NULL
    """,
)

register_checks(
    [
        ERASED_ARE_ERASED,
        ALLOWANCES_ARE_WINS,
        WINS_ARE_ENTRIES,
        WINS_LIE_IN_THEIR_DAYS,
        DAYS_IN_ORDER,
        VOIDS_ARE_REVERSALS,
        WALLETS_ARE_PENDING_WINS,
        ISSUED_IS_HELD_OR_REDEEMED,
    ]
)
