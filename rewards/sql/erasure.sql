ALTER TABLE rewards_erasure
    ADD CONSTRAINT erasure_player_exists FOREIGN KEY (player_id) REFERENCES rewards_player (id);

CREATE TRIGGER erasure_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON rewards_erasure
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('erasure_is_final', 'an erasure is not taken back');

-- Writing an erasure is the deed: profile and key go before the row stands, the player's state follows it. Whoever records
-- a win of the player, or writes his profile, holds his row, and so comes before this or sees it.
CREATE FUNCTION erasure_destroys() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    found_status text;
BEGIN
    SELECT status INTO found_status FROM rewards_player WHERE id = NEW.player_id FOR UPDATE;
    IF found_status IN ('moving', 'moved') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'erasure_where_the_player_lives', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a player is erased in the region where he lives, and not on the way';
    END IF;
    DELETE FROM rewards_profile WHERE player_id = NEW.player_id;
    DELETE FROM rewards_playerkey WHERE player_id = NEW.player_id;
    RETURN NEW;
END $$;
CREATE TRIGGER erasure_destroys BEFORE INSERT ON rewards_erasure
    FOR EACH ROW EXECUTE FUNCTION erasure_destroys();

CREATE FUNCTION erasure_ends_the_player() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE rewards_player SET status = 'erased', timezone = 'UTC' WHERE id = NEW.player_id;
    RETURN NULL;
END $$;
CREATE TRIGGER erasure_ends_the_player AFTER INSERT ON rewards_erasure
    FOR EACH ROW EXECUTE FUNCTION erasure_ends_the_player();

-- A player is erased by an erasure, and stays so.
CREATE FUNCTION player_erased_by_an_erasure() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM rewards_erasure WHERE player_id = NEW.id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'player_erased_by_an_erasure', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a player is erased by writing an erasure';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER player_erased_by_an_erasure BEFORE INSERT OR UPDATE OF status ON rewards_player
    FOR EACH ROW WHEN (NEW.status = 'erased')
    EXECUTE FUNCTION player_erased_by_an_erasure();
CREATE TRIGGER player_stays_erased BEFORE UPDATE ON rewards_player
    FOR EACH ROW WHEN (OLD.status = 'erased')
    EXECUTE FUNCTION refuse('player_stays_erased', 'who is erased stays so');

-- What may still be kept about who is erased: the minimum, where the erasure names a basis and a date, and never so that
-- it is found by an address. The player's row is shared before the look, so that an erasure at work is waited for.
CREATE FUNCTION erased_keeps_the_minimum() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    erasure rewards_erasure;
BEGIN
    PERFORM FROM rewards_player WHERE id = NEW.player_id FOR KEY SHARE;
    SELECT * INTO erasure FROM rewards_erasure WHERE player_id = NEW.player_id;
    IF FOUND AND (erasure.retain_until IS NULL
                  OR (TG_TABLE_NAME = 'rewards_profile' AND to_jsonb(NEW) ->> 'email_index' IS NOT NULL)) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'erased_keeps_the_minimum', TABLE = TG_TABLE_NAME,
            MESSAGE = 'nothing more is kept about who is erased';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER erased_keeps_the_minimum BEFORE INSERT OR UPDATE ON rewards_profile
    FOR EACH ROW EXECUTE FUNCTION erased_keeps_the_minimum();
CREATE TRIGGER erased_keeps_the_minimum BEFORE INSERT OR UPDATE ON rewards_playerkey
    FOR EACH ROW EXECUTE FUNCTION erased_keeps_the_minimum();

-- What has to be kept is kept until its date, and is the same until then.
CREATE FUNCTION retained_until_its_date() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT FROM rewards_erasure
               WHERE player_id = OLD.player_id AND retain_until >= (clock_timestamp() AT TIME ZONE 'UTC')::date) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'retained_until_its_date', TABLE = TG_TABLE_NAME,
            MESSAGE = 'this has to be kept until its date';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER retained_until_its_date BEFORE DELETE OR UPDATE OF sealed, format ON rewards_profile
    FOR EACH ROW EXECUTE FUNCTION retained_until_its_date();

-- A win is recorded where its player lives, and of nobody who is erased.
CREATE OR REPLACE FUNCTION win_residence_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    bad record;
BEGIN
    SELECT win.entry_id, player.status INTO bad
    FROM new_wins win JOIN rewards_player player ON player.id = win.player_id
    WHERE player.region <> '' OR player.status = 'erased'
    LIMIT 1;
    IF FOUND AND bad.status = 'erased' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'win_player_is_not_erased', TABLE = TG_TABLE_NAME,
            MESSAGE = format('the player of win %s is erased', bad.entry_id);
    ELSIF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'win_player_lives_here', TABLE = TG_TABLE_NAME,
            MESSAGE = format('the player of win %s lives in another region, or is going there', bad.entry_id);
    END IF;
    RETURN NULL;
END $$;
