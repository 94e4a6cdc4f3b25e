-- Foreign keys that hold at once (not deferred to COMMIT).
ALTER TABLE rewards_win
    ADD CONSTRAINT win_entry_exists FOREIGN KEY (entry_id) REFERENCES ledger_journalentry (id),
    ADD CONSTRAINT win_player_exists FOREIGN KEY (player_id) REFERENCES rewards_player (id),
    ADD CONSTRAINT win_game_exists FOREIGN KEY (game_id) REFERENCES rewards_game (id),
    ADD CONSTRAINT win_allowance_exists FOREIGN KEY (allowance_id) REFERENCES rewards_allowance (id),
    ADD CONSTRAINT win_converted_by_exists FOREIGN KEY (converted_by_id) REFERENCES ledger_journalentry (id),
    ADD CONSTRAINT win_voided_by_exists FOREIGN KEY (voided_by_id) REFERENCES ledger_journalentry (id);

-- Of a win only its two endings change, each once. Statement-level for the rest, so that converting a million wins
-- costs nothing here.
CREATE TRIGGER win_is_final
    BEFORE UPDATE OF entry_id, player_id, game_id, reference, amount, won_at, recorded_at, allowance_id OR DELETE OR TRUNCATE
    ON rewards_win FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('win_is_final', 'a win is never changed or removed; void it');

CREATE TRIGGER win_ends_once BEFORE UPDATE OF converted_by_id, voided_by_id ON rewards_win
    FOR EACH ROW
    WHEN ((OLD.converted_by_id IS NOT NULL AND NEW.converted_by_id IS DISTINCT FROM OLD.converted_by_id)
          OR (OLD.voided_by_id IS NOT NULL AND NEW.voided_by_id IS DISTINCT FROM OLD.voided_by_id)
          OR (OLD.voided_by_id IS NOT NULL AND OLD.converted_by_id IS DISTINCT FROM NEW.converted_by_id))
    EXECUTE FUNCTION refuse('win_ends_once', 'a win is converted once, voided once, and not converted once voided');

-- Whoever records wins, by any road, the day's allowance counts them; its CHECK is the cap. Days are locked in key
-- order, and a win must lie in the day that it counts for.
CREATE FUNCTION win_counts() RETURNS trigger
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

CREATE TRIGGER win_counts AFTER INSERT ON rewards_win
    REFERENCING NEW TABLE AS new_wins
    FOR EACH STATEMENT EXECUTE FUNCTION win_counts();

-- A void gives the allowance back, on the win's own day.
CREATE FUNCTION win_void_gives_back() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE rewards_allowance SET won = won - NEW.amount WHERE id = NEW.allowance_id;
    RETURN NULL;
END $$;

CREATE TRIGGER win_void_gives_back AFTER UPDATE OF voided_by_id ON rewards_win
    FOR EACH ROW WHEN (OLD.voided_by_id IS NULL AND NEW.voided_by_id IS NOT NULL)
    EXECUTE FUNCTION win_void_gives_back();
