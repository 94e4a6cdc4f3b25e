DROP TRIGGER settlement_guard ON conversion_feesettlement;
DROP FUNCTION settlement_guard();
DROP FUNCTION conversion_fees_payable();
DROP TRIGGER settlement_is_final ON conversion_feesettlement;
ALTER TABLE conversion_feesettlement
    DROP CONSTRAINT settlement_entry_exists,
    DROP CONSTRAINT settlement_posted_by_exists;
