DROP TRIGGER settlement_is_approved ON conversion_feesettlement;
DROP FUNCTION settlement_is_approved();
DROP TRIGGER fee_rule_is_approved ON conversion_feerule;
DROP FUNCTION fee_rule_is_approved();
DROP FUNCTION lock_fee_rules();
ALTER TABLE conversion_feerule DROP CONSTRAINT fee_rule_request_exists;
