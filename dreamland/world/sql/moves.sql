-- Foreign keys that hold at once (not deferred to COMMIT).
ALTER TABLE world_move
    ADD CONSTRAINT move_player_exists FOREIGN KEY (player_id) REFERENCES rewards_player (id),
    ADD CONSTRAINT move_begun_by_exists FOREIGN KEY (begun_by_id) REFERENCES auth_user (id);
ALTER TABLE world_transfer
    ADD CONSTRAINT transfer_entry_exists FOREIGN KEY (entry_id) REFERENCES ledger_journalentry (id);

CREATE TRIGGER transfer_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON world_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('transfer_is_final', 'an end of a move stays as it is');

-- A move goes forward, one step at a time, and keeps whose it is and where to.
CREATE FUNCTION move_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.state, NEW.state) NOT IN (('begun', 'departed'), ('departed', 'done'))
       OR (NEW.id, NEW.player_id, NEW.region, NEW.begun_at, NEW.begun_by_id)
          IS DISTINCT FROM (OLD.id, OLD.player_id, OLD.region, OLD.begun_at, OLD.begun_by_id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'move_goes_forward', TABLE = TG_TABLE_NAME,
            MESSAGE = format('a move does not go from %L to %L', OLD.state, NEW.state);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER move_guard BEFORE UPDATE ON world_move FOR EACH ROW EXECUTE FUNCTION move_guard();
CREATE TRIGGER move_stays BEFORE DELETE OR TRUNCATE ON world_move
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('move_stays', 'a move is never removed');
