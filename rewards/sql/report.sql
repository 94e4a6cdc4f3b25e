-- What was forfeited and the key that reported it are as final as the rest of a win.
DROP TRIGGER win_is_final ON rewards_win;
CREATE TRIGGER win_is_final
    BEFORE UPDATE OF entry_id, player_id, game_id, reference, amount, won_at, recorded_at, allowance_id, forfeited, key_id
        OR DELETE OR TRUNCATE
    ON rewards_win FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('win_is_final', 'a win is never changed or removed; void it');

-- What must be true of a report beyond the day's cap, in one pass over the statement's rows: a game forfeits where it
-- clips, and then the day is full; and the key that reports is the game's own. No row is locked: a game and its keys
-- are rows that every win would lock. (Triggers of one event fire in the order of their names: win_counts comes first.)
CREATE FUNCTION win_report_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    bad uuid;
BEGIN
    SELECT win.entry_id INTO bad
    FROM new_wins win
    JOIN rewards_game game ON game.id = win.game_id
    JOIN rewards_allowance day ON day.id = win.allowance_id AND day.player_id = win.player_id
    WHERE win.forfeited > 0 AND (game.over_cap <> 'clip' OR day.won <> day.cap)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'win_forfeits_only_over_cap', TABLE = TG_TABLE_NAME,
            MESSAGE = format('win %s forfeits, but its game does not clip or its day is not full', bad);
    END IF;

    SELECT win.entry_id INTO bad
    FROM new_wins win LEFT JOIN rewards_gamekey key ON key.id = win.key_id AND key.game_id = win.game_id
    WHERE win.key_id IS NOT NULL AND key.id IS NULL
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'win_key_is_its_games', TABLE = TG_TABLE_NAME,
            MESSAGE = format('win %s names a key that is not its game''s', bad);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER win_report_guard AFTER INSERT ON rewards_win
    REFERENCING NEW TABLE AS new_wins
    FOR EACH STATEMENT EXECUTE FUNCTION win_report_guard();
