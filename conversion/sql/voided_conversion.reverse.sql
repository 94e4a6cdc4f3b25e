DROP TRIGGER void_takes_conversion_back ON rewards_void;
DROP FUNCTION void_takes_conversion_back();
DROP TRIGGER voided_conversion_guard ON conversion_voidedconversion;
DROP FUNCTION voided_conversion_guard();
DROP TRIGGER voided_conversion_is_final ON conversion_voidedconversion;
ALTER TABLE conversion_voidedconversion
    DROP CONSTRAINT voided_conversion_entry_exists,
    DROP CONSTRAINT voided_conversion_line_exists,
    DROP CONSTRAINT voided_conversion_win_exists,
    DROP CONSTRAINT voided_conversion_player_exists;
