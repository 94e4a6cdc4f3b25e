-- Fee rules are final for everybody; only taking the whole table back may step over that.
ALTER TABLE conversion_feerule DISABLE TRIGGER fee_rule_is_final;
DELETE FROM conversion_feerule WHERE effective_from = '2020-01-01T00:00:00Z';
ALTER TABLE conversion_feerule ENABLE TRIGGER fee_rule_is_final;
