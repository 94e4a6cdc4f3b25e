ALTER TABLE rewards_win
    ALTER CONSTRAINT win_entry_exists ENFORCED,
    ALTER CONSTRAINT win_allowance_exists ENFORCED,
    ALTER CONSTRAINT win_game_exists ENFORCED;

DROP TRIGGER game_stays ON rewards_game;

DROP TRIGGER allowance_is_fixed ON rewards_allowance;
CREATE TRIGGER allowance_is_fixed BEFORE UPDATE OF player_id, day, starts_at, ends_at, cap ON rewards_allowance
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('allowance_is_fixed', 'an open day keeps its bounds and its cap');

CREATE OR REPLACE FUNCTION win_counts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    bad uuid;
BEGIN
    SELECT win.entry_id INTO bad
    FROM new_wins win JOIN rewards_allowance day ON day.id = win.allowance_id
    WHERE day.player_id <> win.player_id OR win.won_at < day.starts_at OR win.won_at >= day.ends_at
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'win_lies_in_its_day', TABLE = TG_TABLE_NAME,
            MESSAGE = format('win %s lies outside the day that it counts for', bad);
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
