DROP TRIGGER fee_rule_is_final ON conversion_feerule;
