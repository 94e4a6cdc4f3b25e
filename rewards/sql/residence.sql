-- A win is recorded where its player lives. A recording holds the player's row (its foreign key) when this looks, so one
-- that began before the player left is either seen by who moves the player, or refused here.
CREATE FUNCTION win_residence_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    bad uuid;
BEGIN
    SELECT win.entry_id INTO bad
    FROM new_wins win JOIN rewards_player player ON player.id = win.player_id
    WHERE player.region <> ''
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'win_player_lives_here', TABLE = TG_TABLE_NAME,
            MESSAGE = format('the player of win %s lives in another region, or is going there', bad);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER win_residence_guard AFTER INSERT ON rewards_win
    REFERENCING NEW TABLE AS new_wins
    FOR EACH STATEMENT EXECUTE FUNCTION win_residence_guard();

-- What a player had won on a day in the region that he came from counts from the day's beginning, and stays.
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
    IF NEW.won <> NEW.carried THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'allowance_follows_wins', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a day begins with nothing won but what was carried there';
    END IF;
    RETURN NEW;
END $$;

-- It may grow when he comes back on the same day, and what was won grows with it. It never shrinks: that would be a
-- second cap.
CREATE FUNCTION allowance_carries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.carried < OLD.carried THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'allowance_carried_grows', TABLE = TG_TABLE_NAME,
            MESSAGE = 'what was won elsewhere stays won';
    END IF;
    NEW.won := OLD.won + NEW.carried - OLD.carried;
    RETURN NEW;
END $$;

CREATE TRIGGER allowance_carries BEFORE UPDATE OF carried ON rewards_allowance
    FOR EACH ROW EXECUTE FUNCTION allowance_carries();
