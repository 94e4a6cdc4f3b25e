-- A posting refers to an entry and to two accounts. As enforced keys PostgreSQL looks each of them up for every row, which was
-- half of the time of posting in bulk. The guard joins them anyway: it looks once for all rows of a statement, and refuses
-- under the keys' own names. The keys stay declared. What they refer to stays: entries are final, accounts keep code and
-- asset (account_is_fixed), and are not deleted.
ALTER TABLE ledger_posting
    ALTER CONSTRAINT posting_entry_exists NOT ENFORCED,
    ALTER CONSTRAINT posting_debit_has_asset NOT ENFORCED,
    ALTER CONSTRAINT posting_credit_has_asset NOT ENFORCED;

CREATE TRIGGER account_stays BEFORE DELETE ON ledger_account
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('account_stays', 'postings refer to accounts; one that is not used stays, too');

-- An entry is whole when its transaction commits: postings join only entries of their own transaction and holder.
-- (Full transaction ids are compared, not xmin: xmin is another one inside a savepoint. The date is compared too,
-- because a cluster restored from a dump counts its transactions from the start again.)
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
