CREATE OR REPLACE FUNCTION posting_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    bad record;
BEGIN
    SELECT p.id, p.entry_id,
           CASE WHEN e.id IS NULL THEN 'posting_entry_exists'
                WHEN debit.code IS NULL THEN 'posting_debit_has_asset'
                WHEN credit.code IS NULL THEN 'posting_credit_has_asset'
                WHEN e.holder <> p.holder THEN 'posting_holder_is_entrys' ELSE 'posting_entry_is_open' END AS broken
    INTO bad
    FROM new_postings p
    LEFT JOIN ledger_journalentry e ON e.id = p.entry_id
    LEFT JOIN ledger_account debit ON debit.code = p.debit_id AND debit.asset = p.asset
    LEFT JOIN ledger_account credit ON credit.code = p.credit_id AND credit.asset = p.asset
    WHERE e.id IS NULL OR debit.code IS NULL OR credit.code IS NULL
       OR e.holder <> p.holder
       OR e.transaction <> pg_current_xact_id()
       OR e.posted_at < transaction_timestamp() - interval '1 second'
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = CASE bad.broken ~ '_(exists|has_asset)$'
                WHEN true THEN 'foreign_key_violation' WHEN false THEN 'check_violation' END,
            TABLE = TG_TABLE_NAME, CONSTRAINT = bad.broken,
            MESSAGE = CASE bad.broken
                WHEN 'posting_entry_exists' THEN format('posting %s joins no entry', bad.id)
                WHEN 'posting_debit_has_asset' THEN format('posting %s debits no account of its asset', bad.id)
                WHEN 'posting_credit_has_asset' THEN format('posting %s credits no account of its asset', bad.id)
                WHEN 'posting_holder_is_entrys'
                THEN format('posting %s does not name the holder of entry %s', bad.id, bad.entry_id)
                ELSE format('posting %s joins entry %s of another transaction', bad.id, bad.entry_id) END;
    END IF;
    RETURN NULL;
END $$;

DROP TRIGGER approval_is_carried_out ON ledger_approvaldecision;
DROP FUNCTION approval_is_carried_out();
DROP TRIGGER approval_outcome_guard ON ledger_approvaloutcome;
DROP FUNCTION approval_outcome_guard();
DROP FUNCTION lock_entry(uuid);
DROP FUNCTION in_order(jsonb);
DROP FUNCTION journal_entry_plan(ledger_journalentry);
DROP TRIGGER journal_entry_by_hand ON ledger_journalentry;
DROP FUNCTION approved_entry_guard();
DROP FUNCTION approved_now();
DROP TRIGGER approval_decision_guard ON ledger_approvaldecision;
DROP FUNCTION approval_decision_guard();
DROP TRIGGER approval_request_guard ON ledger_approvalrequest;
DROP FUNCTION approval_request_guard();
DROP TRIGGER approval_outcome_is_final ON ledger_approvaloutcome;
DROP TRIGGER approval_decision_is_final ON ledger_approvaldecision;
DROP TRIGGER approval_request_is_final ON ledger_approvalrequest;
ALTER TABLE ledger_approvaloutcome DROP CONSTRAINT approval_outcome_decision_exists;
ALTER TABLE ledger_approvaldecision
    DROP CONSTRAINT approval_decision_request_exists,
    DROP CONSTRAINT approval_decision_decided_by_exists;
ALTER TABLE ledger_approvalrequest DROP CONSTRAINT approval_request_asked_by_exists;
