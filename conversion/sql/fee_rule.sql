-- Fee rules only arrive; a new one begins where the old one ends.
CREATE TRIGGER fee_rule_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON conversion_feerule
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('fee_rule_is_final', 'a fee rule is never changed or removed; add one that begins later');
