DROP TRIGGER allowance_stays ON rewards_allowance;
DROP TRIGGER allowance_follows_wins ON rewards_allowance;
DROP TRIGGER allowance_is_fixed ON rewards_allowance;
DROP TRIGGER allowance_guard ON rewards_allowance;
DROP FUNCTION allowance_guard();
ALTER TABLE rewards_allowance DROP CONSTRAINT allowance_player_exists, RESET (fillfactor);
