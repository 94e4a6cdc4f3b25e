DROP FUNCTION conversion_fee(numeric, numeric, numeric, numeric);
DROP TRIGGER fee_rule_guard ON conversion_feerule;
DROP FUNCTION fee_rule_guard();
ALTER TABLE conversion_feerule DROP CONSTRAINT fee_rule_hour_is_whole;
