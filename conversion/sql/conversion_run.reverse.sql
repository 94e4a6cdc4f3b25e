DROP TRIGGER run_stays ON conversion_conversionrun;
DROP TRIGGER run_done_is_final ON conversion_conversionrun;
DROP TRIGGER run_hour_is_fixed ON conversion_conversionrun;
ALTER TABLE conversion_conversionrun DROP CONSTRAINT run_hour_is_whole;
