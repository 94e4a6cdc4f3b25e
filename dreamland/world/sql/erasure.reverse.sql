DROP TRIGGER world_name_nobody_erased ON world_playerreference;
DROP FUNCTION world_name_nobody_erased();
DROP TRIGGER world_forget_reference ON rewards_erasure;
DROP FUNCTION world_forget_reference();
