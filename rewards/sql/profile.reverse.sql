DROP TRIGGER profile_stays_its_players ON rewards_profile;
DROP TRIGGER player_key_stays_its_players ON rewards_playerkey;
DROP TRIGGER key_epoch_wraps_nothing ON rewards_keyepoch;
DROP FUNCTION key_epoch_wraps_nothing();
DROP TRIGGER player_key_epoch_is_usable ON rewards_playerkey;
DROP FUNCTION key_epoch_is_usable();
DROP TRIGGER key_epoch_ends_once ON rewards_keyepoch;
DROP TRIGGER key_epoch_is_remembered ON rewards_keyepoch;
ALTER TABLE rewards_profile DROP CONSTRAINT profile_has_a_key;
ALTER TABLE rewards_playerkey
    DROP CONSTRAINT player_key_epoch_exists,
    DROP CONSTRAINT player_key_player_exists;
