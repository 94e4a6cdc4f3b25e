-- What people do about the conversion, one asks and another one decides (ledger/sql/approval.sql). Each row that comes of
-- it stands in the transaction that approves its request, and is what was asked for.
ALTER TABLE conversion_feerule
    ADD CONSTRAINT fee_rule_request_exists FOREIGN KEY (request_id) REFERENCES ledger_approvalrequest (id);

CREATE FUNCTION lock_fee_rules() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    LOCK TABLE conversion_feerule IN SHARE ROW EXCLUSIVE MODE;
END $$;

CREATE FUNCTION fee_rule_is_approved() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM approved_now() request
        WHERE request.id = NEW.request_id AND request.kind = 'fee-rule'
          AND ((request.payload->>'effective_from')::timestamptz, request.payload->>'provider',
               (request.payload->>'percentage')::numeric, (request.payload->>'fixed')::numeric,
               (request.payload->>'minimum')::numeric)
              = (NEW.effective_from, NEW.provider, NEW.percentage, NEW.fixed, NEW.minimum)
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'fee_rule_is_approved', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a fee rule is what a request says that is approved in the same transaction';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER fee_rule_is_approved AFTER INSERT ON conversion_feerule
    FOR EACH ROW EXECUTE FUNCTION fee_rule_is_approved();

CREATE FUNCTION settlement_is_approved() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM approved_now() request
        JOIN ledger_journalentry entry ON entry.metadata->>'request' = request.id::text
        WHERE entry.id = NEW.entry_id AND request.kind = 'fee-settlement'
          AND (request.reference, request.asked_by_id) = (NEW.reference, NEW.posted_by_id)
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'settlement_is_approved', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a payment of fees names the request that is approved in the same transaction';
    END IF;
    RETURN NULL;
END $$;
-- By its name after `settlement_guard`.
CREATE TRIGGER settlement_is_approved AFTER INSERT ON conversion_feesettlement
    FOR EACH ROW EXECUTE FUNCTION settlement_is_approved();
