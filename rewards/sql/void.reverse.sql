DROP TRIGGER void_marks_its_win ON rewards_void;
DROP FUNCTION void_marks_its_win();
DROP TRIGGER void_is_final ON rewards_void;
ALTER TABLE rewards_win
    DROP CONSTRAINT win_voided_by_its_void,
    ADD CONSTRAINT win_voided_by_exists FOREIGN KEY (voided_by_id) REFERENCES ledger_journalentry (id);
ALTER TABLE rewards_void
    DROP CONSTRAINT void_entry_exists,
    DROP CONSTRAINT void_win_exists,
    DROP CONSTRAINT void_player_exists,
    DROP CONSTRAINT void_key_exists,
    DROP CONSTRAINT void_user_exists;
