-- Foreign keys that hold at once (not deferred to COMMIT).
ALTER TABLE rewards_playerkey
    ADD CONSTRAINT player_key_player_exists FOREIGN KEY (player_id) REFERENCES rewards_player (id),
    ADD CONSTRAINT player_key_epoch_exists FOREIGN KEY (epoch_id) REFERENCES rewards_keyepoch (name);
-- A profile without its key could never be read: they come and go together.
ALTER TABLE rewards_profile
    ADD CONSTRAINT profile_has_a_key FOREIGN KEY (player_id) REFERENCES rewards_playerkey (player_id);

CREATE TRIGGER key_epoch_is_remembered BEFORE DELETE OR TRUNCATE ON rewards_keyepoch
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('key_epoch_is_remembered', 'an epoch that was used stays known, also when it is destroyed');

CREATE TRIGGER key_epoch_ends_once BEFORE UPDATE ON rewards_keyepoch
    FOR EACH ROW
    WHEN (OLD.destroyed_at IS NOT NULL
          OR (OLD.name, OLD.first_used_at) IS DISTINCT FROM (NEW.name, NEW.first_used_at))
    EXECUTE FUNCTION refuse('key_epoch_ends_once', 'of an epoch only its end is written, once');

-- Nothing is wrapped by a destroyed epoch. Who wraps shares the epoch's row, who destroys it holds that row alone: one
-- of them waits for the other, and then sees what the other wrote.
CREATE FUNCTION key_epoch_is_usable() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM rewards_keyepoch WHERE name = NEW.epoch_id AND destroyed_at IS NULL FOR SHARE;
    IF NOT FOUND AND EXISTS (SELECT FROM rewards_keyepoch WHERE name = NEW.epoch_id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'key_epoch_is_usable', TABLE = TG_TABLE_NAME,
            MESSAGE = format('epoch %s is destroyed', NEW.epoch_id);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER player_key_epoch_is_usable BEFORE INSERT OR UPDATE OF epoch_id ON rewards_playerkey
    FOR EACH ROW EXECUTE FUNCTION key_epoch_is_usable();

CREATE FUNCTION key_epoch_wraps_nothing() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT FROM rewards_playerkey WHERE epoch_id = NEW.name) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'key_epoch_wraps_nothing', TABLE = TG_TABLE_NAME,
            MESSAGE = format('epoch %s still wraps keys of players', NEW.name);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER key_epoch_wraps_nothing BEFORE UPDATE OF destroyed_at ON rewards_keyepoch
    FOR EACH ROW WHEN (NEW.destroyed_at IS NOT NULL)
    EXECUTE FUNCTION key_epoch_wraps_nothing();

-- A key stays its player's, and a profile too.
CREATE TRIGGER player_key_stays_its_players BEFORE UPDATE OF player_id ON rewards_playerkey
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('player_key_stays_its_players', 'a key belongs to one player for good');
CREATE TRIGGER profile_stays_its_players BEFORE UPDATE OF player_id ON rewards_profile
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('profile_stays_its_players', 'a profile belongs to one player for good');
