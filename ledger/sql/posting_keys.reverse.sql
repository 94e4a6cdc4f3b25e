ALTER TABLE ledger_posting
    ALTER CONSTRAINT posting_entry_exists ENFORCED,
    ALTER CONSTRAINT posting_debit_has_asset ENFORCED,
    ALTER CONSTRAINT posting_credit_has_asset ENFORCED;

DROP TRIGGER account_stays ON ledger_account;

CREATE OR REPLACE FUNCTION posting_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    bad record;
BEGIN
    SELECT p.id, p.entry_id, e.holder IS DISTINCT FROM p.holder AS stranger INTO bad
    FROM new_postings p LEFT JOIN ledger_journalentry e ON e.id = p.entry_id
    WHERE e.holder IS DISTINCT FROM p.holder
       OR e.transaction <> pg_current_xact_id()
       OR e.posted_at < transaction_timestamp() - interval '1 second'
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME,
            CONSTRAINT = CASE WHEN bad.stranger THEN 'posting_holder_is_entrys' ELSE 'posting_entry_is_open' END,
            MESSAGE = CASE WHEN bad.stranger
                THEN format('posting %s does not name the holder of entry %s', bad.id, bad.entry_id)
                ELSE format('posting %s joins entry %s of another transaction', bad.id, bad.entry_id) END;
    END IF;
    RETURN NULL;
END $$;
