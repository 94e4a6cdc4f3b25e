-- Who is erased has no name at the centre any more: the row that leads from the name to the player goes with the erasure.
-- What the centre has under that name is nobody's from then on, in its backups too.
CREATE FUNCTION world_forget_reference() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM world_playerreference WHERE player_id = NEW.player_id;
    RETURN NULL;
END $$;
CREATE TRIGGER world_forget_reference AFTER INSERT ON rewards_erasure
    FOR EACH ROW EXECUTE FUNCTION world_forget_reference();

-- And gets none again: what the books still do under the id is told to the centre under no name. The player's row is
-- shared before the look, so that an erasure at work is waited for.
CREATE FUNCTION world_name_nobody_erased() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM rewards_player WHERE id = NEW.player_id FOR KEY SHARE;
    IF EXISTS (SELECT FROM rewards_erasure WHERE player_id = NEW.player_id) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER world_name_nobody_erased BEFORE INSERT ON world_playerreference
    FOR EACH ROW EXECUTE FUNCTION world_name_nobody_erased();
