DROP TRIGGER activity_is_final ON world_activity;
DROP TRIGGER hour_fence_is_final ON world_hourfence;
DROP TRIGGER hour_close_is_final ON world_hourclose;
DROP FUNCTION world_give_beat();
DROP FUNCTION world_chain(text, bigint, timestamptz, timestamptz, jsonb);
DROP FUNCTION world_close_next_hour();
DROP FUNCTION world_note_activity(timestamptz, timestamptz);
DROP FUNCTION world_fence_hours(interval, interval);
ALTER TABLE world_playerreference DROP CONSTRAINT player_reference_player_exists;
