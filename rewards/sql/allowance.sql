ALTER TABLE rewards_allowance
    ADD CONSTRAINT allowance_player_exists FOREIGN KEY (player_id) REFERENCES rewards_player (id),
    SET (fillfactor = 70);

-- The days of one player follow each other: later day, later time, no overlap. Without it, changing the time zone would
-- win a second and a third cap (three dates exist on Earth at once). The player's row is locked first, so that two
-- transactions cannot open days that do not know of each other.
CREATE FUNCTION allowance_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    clash date;
BEGIN
    PERFORM FROM rewards_player WHERE id = NEW.player_id FOR NO KEY UPDATE;
    SELECT other.day INTO clash FROM rewards_allowance other
    WHERE other.player_id = NEW.player_id AND other.day <> NEW.day
      AND CASE WHEN other.day < NEW.day THEN other.ends_at > NEW.starts_at ELSE other.starts_at < NEW.ends_at END
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'allowance_days_in_order', TABLE = TG_TABLE_NAME,
            MESSAGE = format('day %s of player %s overlaps day %s', NEW.day, NEW.player_id, clash);
    END IF;
    IF NEW.won <> 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'allowance_follows_wins', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a day begins with nothing won';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER allowance_guard BEFORE INSERT ON rewards_allowance
    FOR EACH ROW EXECUTE FUNCTION allowance_guard();

-- Bounds, cap and owner are fixed once a day is open; what was won is moved by wins alone (from inside their trigger).
CREATE TRIGGER allowance_is_fixed BEFORE UPDATE OF player_id, day, starts_at, ends_at, cap ON rewards_allowance
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('allowance_is_fixed', 'an open day keeps its bounds and its cap');

CREATE TRIGGER allowance_follows_wins BEFORE UPDATE OF won ON rewards_allowance
    FOR EACH ROW WHEN (pg_trigger_depth() < 1)
    EXECUTE FUNCTION refuse('allowance_follows_wins', 'what was won on a day is counted by its wins');

CREATE TRIGGER allowance_stays BEFORE DELETE OR TRUNCATE ON rewards_allowance
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('allowance_stays', 'a day that was opened stays');
