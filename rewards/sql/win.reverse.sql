DROP TRIGGER win_void_gives_back ON rewards_win;
DROP FUNCTION win_void_gives_back();
DROP TRIGGER win_counts ON rewards_win;
DROP FUNCTION win_counts();
DROP TRIGGER win_ends_once ON rewards_win;
DROP TRIGGER win_is_final ON rewards_win;
ALTER TABLE rewards_win
    DROP CONSTRAINT win_entry_exists,
    DROP CONSTRAINT win_player_exists,
    DROP CONSTRAINT win_game_exists,
    DROP CONSTRAINT win_allowance_exists,
    DROP CONSTRAINT win_converted_by_exists,
    DROP CONSTRAINT win_voided_by_exists;
