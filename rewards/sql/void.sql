-- Foreign keys that hold at once (not deferred to COMMIT).
ALTER TABLE rewards_void
    ADD CONSTRAINT void_entry_exists FOREIGN KEY (entry_id) REFERENCES ledger_journalentry (id),
    ADD CONSTRAINT void_win_exists FOREIGN KEY (win_id) REFERENCES rewards_win (entry_id),
    ADD CONSTRAINT void_player_exists FOREIGN KEY (player_id) REFERENCES rewards_player (id),
    ADD CONSTRAINT void_key_exists FOREIGN KEY (key_id) REFERENCES rewards_gamekey (id),
    ADD CONSTRAINT void_user_exists FOREIGN KEY (user_id) REFERENCES auth_user (id);

-- A win is voided by the void of that very win, and by nothing else.
ALTER TABLE rewards_win
    DROP CONSTRAINT win_voided_by_exists,
    ADD CONSTRAINT win_voided_by_its_void
        FOREIGN KEY (entry_id, voided_by_id) REFERENCES rewards_void (win_id, entry_id);

CREATE TRIGGER void_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON rewards_void
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('void_is_final', 'a void is never changed or removed');

-- A void is the fact behind the reversal of its win's entry, and it marks the win: neither stands without the other.
CREATE FUNCTION void_marks_its_win() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    bad uuid;
BEGIN
    SELECT void.entry_id INTO bad
    FROM new_voids void
    JOIN rewards_win win ON win.entry_id = void.win_id
    JOIN ledger_journalentry entry ON entry.id = void.entry_id
    LEFT JOIN rewards_gamekey key ON key.id = void.key_id
    WHERE (entry.kind, entry.reverses_id, entry.holder, entry.posted_at, win.player_id)
          IS DISTINCT FROM ('void', void.win_id, void.player_id, void.voided_at, void.player_id)
       OR key.game_id <> win.game_id
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'void_reverses_its_win', TABLE = TG_TABLE_NAME,
            MESSAGE = format('void %s is not the reversal of its win, or asked for by another game', bad);
    END IF;

    UPDATE rewards_win win SET voided_by_id = void.entry_id FROM new_voids void WHERE win.entry_id = void.win_id;
    RETURN NULL;
END $$;

CREATE TRIGGER void_marks_its_win AFTER INSERT ON rewards_void
    REFERENCING NEW TABLE AS new_voids
    FOR EACH STATEMENT EXECUTE FUNCTION void_marks_its_win();
