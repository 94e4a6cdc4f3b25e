ALTER TABLE conversion_feesettlement
    -- Foreign keys that hold at once (not deferred to COMMIT).
    ADD CONSTRAINT settlement_entry_exists FOREIGN KEY (entry_id) REFERENCES ledger_journalentry (id),
    ADD CONSTRAINT settlement_posted_by_exists FOREIGN KEY (posted_by_id) REFERENCES auth_user (id);

CREATE TRIGGER settlement_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON conversion_feesettlement
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('settlement_is_final', 'a settlement is never changed or removed; reverse its entry');

-- What is owed for fees, from the facts: fees of finished runs and of lines whose run is still at it, less what was
-- settled, less fees of conversions that were reversed. `verify_books` compares it with the postings.
CREATE FUNCTION conversion_fees_payable() RETURNS numeric
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT (SELECT coalesce(sum(fees), 0) FROM conversion_conversionrun WHERE state = 'done')
         + (SELECT coalesce(sum(line.fee), 0) FROM conversion_conversionrun run
            JOIN conversion_conversion line ON line.run_id = run.id WHERE run.state <> 'done')
         - (SELECT coalesce(sum(settlement.amount), 0) FROM conversion_feesettlement settlement
            WHERE NOT EXISTS (SELECT FROM ledger_journalentry WHERE reverses_id = settlement.entry_id))
         - (SELECT coalesce(sum(line.fee), 0) FROM ledger_journalentry reversal
            JOIN conversion_conversion line ON line.entry_id = reversal.reverses_id
            WHERE reversal.reverses_id IS NOT NULL);
END;

-- A settlement is its entry, and together they never exceed what is owed. House accounts keep no running balance, so
-- settlements wait for each other at the account's own row: NO KEY, so that postings, which refer to it, do not wait.
CREATE FUNCTION settlement_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    excess numeric;
BEGIN
    PERFORM FROM ledger_account WHERE code = 'usd:fees-payable' FOR NO KEY UPDATE;
    IF (SELECT array_agg((p.debit_id, p.credit_id, p.amount)::text) FROM ledger_posting p
        JOIN ledger_journalentry e ON e.id = p.entry_id
        WHERE p.holder = '00000000-0000-7000-8000-000000000000' AND p.entry_id = NEW.entry_id
          AND (e.kind, e.posted_at) = ('fee-settlement', NEW.settled_at))
       IS DISTINCT FROM ARRAY[('usd:fees-payable', 'usd:cash', NEW.amount)::text] THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'settlement_is_its_entry', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a settlement is one posting of its amount from usd:fees-payable to usd:cash';
    END IF;
    excess := -conversion_fees_payable();
    IF excess > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'settlement_within_payable', TABLE = TG_TABLE_NAME,
            MESSAGE = format('that would settle %s USD more than is owed', excess);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER settlement_guard AFTER INSERT ON conversion_feesettlement
    FOR EACH ROW EXECUTE FUNCTION settlement_guard();
