-- As before (sql/rate_decision.sql), by a request: a rate that people let pass is the quarantined one to the letter, and
-- its request is approved in the same transaction, by whom it names.
CREATE OR REPLACE FUNCTION rate_decided_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM conversion_rate held
        JOIN approved_now() request ON request.kind = 'quarantined-rate' AND request.payload->>'rate' = held.id::text
        JOIN ledger_approvaldecision decision ON decision.request_id = request.id
        WHERE held.id = NEW.decides_id AND held.state = 'quarantined'
          AND decision.decided_by_id = NEW.decided_by_id
          AND (held.hour, held.price, held.provider, held.quoted_at)
              = (NEW.hour, NEW.price, NEW.provider, NEW.quoted_at)
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'rate_decided_by_two', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a quarantined rate passes as it is, when one person asked and another one approved';
    END IF;
    RETURN NULL;
END $$;

-- What people asked and decided about rates stands with all other requests now.
DROP TRIGGER rate_proposal_guard ON conversion_rateproposal;
DROP FUNCTION rate_proposal_guard();
