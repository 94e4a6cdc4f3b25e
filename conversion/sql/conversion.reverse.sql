DROP TRIGGER conversion_guard ON conversion_conversion;
DROP FUNCTION conversion_guard();
DROP TRIGGER conversion_is_final ON conversion_conversion;
ALTER TABLE conversion_conversion
    DROP CONSTRAINT conversion_hour_is_whole,
    DROP CONSTRAINT conversion_entry_exists,
    DROP CONSTRAINT conversion_run_exists,
    DROP CONSTRAINT conversion_player_exists,
    DROP CONSTRAINT conversion_rate_exists,
    DROP CONSTRAINT conversion_fee_rule_exists;
