DROP TRIGGER win_report_guard ON rewards_win;
DROP FUNCTION win_report_guard();
DROP TRIGGER win_is_final ON rewards_win;
CREATE TRIGGER win_is_final
    BEFORE UPDATE OF entry_id, player_id, game_id, reference, amount, won_at, recorded_at, allowance_id OR DELETE OR TRUNCATE
    ON rewards_win FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('win_is_final', 'a win is never changed or removed; void it');
