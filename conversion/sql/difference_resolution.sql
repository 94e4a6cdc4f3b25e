ALTER TABLE conversion_differenceresolution
    -- Foreign keys that hold at once (not deferred to COMMIT).
    ADD CONSTRAINT resolution_difference_exists FOREIGN KEY (difference_id) REFERENCES conversion_difference (id),
    ADD CONSTRAINT resolution_request_exists FOREIGN KEY (request_id) REFERENCES ledger_approvalrequest (id),
    ADD CONSTRAINT resolution_entry_exists FOREIGN KEY (entry_id) REFERENCES ledger_journalentry (id);

CREATE TRIGGER resolution_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON conversion_differenceresolution
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('resolution_is_final', 'how a difference was resolved is never changed or removed');

-- As before (sql/fee_settlement.sql), and: what we owe more or less because the provider was right about a difference.
CREATE OR REPLACE FUNCTION conversion_fees_payable() RETURNS numeric
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT (SELECT coalesce(sum(fees), 0) FROM conversion_conversionrun WHERE state = 'done')
         + (SELECT coalesce(sum(line.fee), 0) FROM conversion_conversionrun run
            JOIN conversion_conversion line ON line.run_id = run.id WHERE run.state <> 'done')
         - (SELECT coalesce(sum(settlement.amount), 0) FROM conversion_feesettlement settlement
            WHERE NOT EXISTS (SELECT FROM ledger_journalentry WHERE reverses_id = settlement.entry_id))
         - (SELECT coalesce(sum(line.fee), 0) FROM ledger_journalentry reversal
            JOIN conversion_conversion line ON line.entry_id = reversal.reverses_id
            WHERE reversal.reverses_id IS NOT NULL)
         + (SELECT coalesce(sum(amount), 0) FROM conversion_differenceresolution);
END;

-- A resolution is what the request says that is approved in the same transaction; where the provider is right, it is
-- booked to the last digit, by one posting between the fees that we bear and those that we owe, and otherwise by none.
-- Waits for settlements, which add up what is owed, at the account's own row.
CREATE FUNCTION resolution_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    effect numeric;
BEGIN
    PERFORM FROM ledger_account WHERE code = 'usd:fees-payable' FOR NO KEY UPDATE;
    IF NOT EXISTS (
        SELECT FROM approved_now() request
        WHERE request.id = NEW.request_id AND request.kind = 'difference'
          AND (request.payload->>'difference', request.payload->>'right') = (NEW.difference_id::text, NEW."right")
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'resolution_is_approved', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a difference is resolved as a request says that is approved in the same transaction';
    END IF;
    SELECT CASE WHEN NEW."right" = 'provider' THEN fee_effect ELSE 0 END INTO effect
    FROM conversion_difference WHERE id = NEW.difference_id;
    IF NEW.amount <> effect OR (NEW.entry_id IS NOT NULL AND (
        SELECT array_agg((posting.debit_id, posting.credit_id, trim_scale(posting.amount))::text)
        FROM ledger_posting posting JOIN ledger_journalentry entry ON entry.id = posting.entry_id
        WHERE posting.holder = '00000000-0000-7000-8000-000000000000' AND posting.entry_id = NEW.entry_id
          AND (entry.kind, entry.posted_at, entry.metadata->>'request')
            = ('fee-adjustment', NEW.resolved_at, NEW.request_id::text)
    ) IS DISTINCT FROM ARRAY[CASE WHEN effect > 0
        THEN ('usd:conversion-fees', 'usd:fees-payable', trim_scale(effect))::text
        ELSE ('usd:fees-payable', 'usd:conversion-fees', trim_scale(-effect))::text END]) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'resolution_is_its_entry', TABLE = TG_TABLE_NAME,
            MESSAGE = 'where the provider is right, one posting books what the difference comes to, and else none';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER resolution_guard AFTER INSERT ON conversion_differenceresolution
    FOR EACH ROW EXECUTE FUNCTION resolution_guard();
