DROP TRIGGER posting_guard ON ledger_posting;
DROP FUNCTION posting_guard();
DROP TRIGGER posting_is_final ON ledger_posting;
ALTER TABLE ledger_posting
    DROP CONSTRAINT posting_entry_exists,
    DROP CONSTRAINT posting_debit_has_asset,
    DROP CONSTRAINT posting_credit_has_asset,
    DROP CONSTRAINT posting_house_holds_no_share,
    DROP CONSTRAINT posting_fee_never_touches_player;
