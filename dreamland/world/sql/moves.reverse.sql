DROP TRIGGER move_stays ON world_move;
DROP TRIGGER move_guard ON world_move;
DROP FUNCTION move_guard();
DROP TRIGGER transfer_is_final ON world_transfer;
ALTER TABLE world_transfer DROP CONSTRAINT transfer_entry_exists;
ALTER TABLE world_move DROP CONSTRAINT move_begun_by_exists, DROP CONSTRAINT move_player_exists;
