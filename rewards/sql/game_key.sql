-- A game has two live keys at most: the old one and the new one, while its servers change over. A key only ever dies with
-- time, so it is enough to count when one is made or given more life. The game's row is locked first, so that two
-- transactions cannot both count one.
CREATE FUNCTION game_key_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    live integer;
BEGIN
    PERFORM FROM rewards_game WHERE id = NEW.game_id FOR NO KEY UPDATE;
    SELECT count(*) INTO live FROM rewards_gamekey other
    WHERE other.game_id = NEW.game_id AND other.id <> NEW.id AND other.revoked_at IS NULL
      AND (other.expires_at IS NULL OR other.expires_at > clock_timestamp());
    IF live >= 2 AND NEW.revoked_at IS NULL AND (NEW.expires_at IS NULL OR NEW.expires_at > clock_timestamp()) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'game_key_two_live', TABLE = TG_TABLE_NAME,
            MESSAGE = 'the game has 2 live keys; revoke one first';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER game_key_guard BEFORE INSERT OR UPDATE OF expires_at, revoked_at ON rewards_gamekey
    FOR EACH ROW EXECUTE FUNCTION game_key_guard();

-- Whose a key is, what it opens and by which secret is settled when it is made; who may write here could else make a key
-- of a known secret out of any. A revoked key stays revoked, and its row stays: wins name it.
CREATE TRIGGER game_key_is_fixed
    BEFORE UPDATE OF id, game_id, secret_sha256, scopes, created_at OR DELETE OR TRUNCATE ON rewards_gamekey
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('game_key_is_fixed', 'a key is never changed or removed; revoke it');

CREATE TRIGGER game_key_revoked_once BEFORE UPDATE OF revoked_at ON rewards_gamekey
    FOR EACH ROW WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
    EXECUTE FUNCTION refuse('game_key_revoked_once', 'a revoked key stays revoked');
