-- A win refers to its entry, its day and its game. The guard looks for all wins of a statement at once and refuses under the
-- keys' own names; the keys stay declared. Entries are final; a day that was opened and a game stay, each with its id.
-- An enforced key would also lock the game's row, the same one for every win of a game, which makes a list of lockers that
-- is written anew by each of them. (The player's key stays enforced: the lock that it takes is what keeps a player who
-- moves from winning in two places.)
ALTER TABLE rewards_win
    ALTER CONSTRAINT win_entry_exists NOT ENFORCED,
    ALTER CONSTRAINT win_allowance_exists NOT ENFORCED,
    ALTER CONSTRAINT win_game_exists NOT ENFORCED;

CREATE TRIGGER game_stays BEFORE UPDATE OF id OR DELETE ON rewards_game
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('game_stays', 'wins refer to games: a game stays, with its id');

DROP TRIGGER allowance_is_fixed ON rewards_allowance;
CREATE TRIGGER allowance_is_fixed BEFORE UPDATE OF id, player_id, day, starts_at, ends_at, cap ON rewards_allowance
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('allowance_is_fixed', 'an open day keeps its bounds and its cap');

-- Whoever records wins, by any road, the day's allowance counts them; its CHECK is the cap. Days are locked in key
-- order, and a win must lie in the day that it counts for.
CREATE OR REPLACE FUNCTION win_counts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    bad record;
BEGIN
    SELECT win.entry_id,
           CASE WHEN entry.id IS NULL THEN 'win_entry_exists'
                WHEN day.id IS NULL THEN 'win_allowance_exists'
                WHEN game.id IS NULL THEN 'win_game_exists' ELSE 'win_lies_in_its_day' END AS broken
    INTO bad
    FROM new_wins win
    LEFT JOIN ledger_journalentry entry ON entry.id = win.entry_id
    LEFT JOIN rewards_allowance day ON day.id = win.allowance_id
    LEFT JOIN rewards_game game ON game.id = win.game_id
    WHERE entry.id IS NULL OR day.id IS NULL OR game.id IS NULL
       OR day.player_id <> win.player_id OR win.won_at < day.starts_at OR win.won_at >= day.ends_at
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = CASE bad.broken ~ '_exists$'
                WHEN true THEN 'foreign_key_violation' WHEN false THEN 'check_violation' END,
            CONSTRAINT = bad.broken, TABLE = TG_TABLE_NAME,
            MESSAGE = CASE bad.broken
                WHEN 'win_entry_exists' THEN format('win %s has no entry', bad.entry_id)
                WHEN 'win_allowance_exists' THEN format('win %s counts for no day', bad.entry_id)
                WHEN 'win_game_exists' THEN format('win %s was won in no game', bad.entry_id)
                ELSE format('win %s lies outside the day that it counts for', bad.entry_id) END;
    END IF;

    WITH counted AS (
        SELECT allowance_id, sum(amount) AS amount FROM new_wins GROUP BY allowance_id
    ), locked AS MATERIALIZED (
        SELECT id FROM rewards_allowance WHERE id IN (SELECT allowance_id FROM counted)
        ORDER BY player_id, day FOR NO KEY UPDATE
    )
    UPDATE rewards_allowance day SET won = day.won + counted.amount
    FROM counted JOIN locked ON locked.id = counted.allowance_id
    WHERE day.id = counted.allowance_id;
    RETURN NULL;
END $$;
