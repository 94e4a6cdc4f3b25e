DROP TRIGGER game_key_revoked_once ON rewards_gamekey;
DROP TRIGGER game_key_is_fixed ON rewards_gamekey;
DROP TRIGGER game_key_guard ON rewards_gamekey;
DROP FUNCTION game_key_guard();
