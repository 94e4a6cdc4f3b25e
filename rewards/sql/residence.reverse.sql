DROP TRIGGER allowance_carries ON rewards_allowance;
DROP FUNCTION allowance_carries();
CREATE OR REPLACE FUNCTION allowance_guard() RETURNS trigger
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
DROP TRIGGER win_residence_guard ON rewards_win;
DROP FUNCTION win_residence_guard();
