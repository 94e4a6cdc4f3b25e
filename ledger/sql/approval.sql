-- Requests of people and what another person decided about them (ledger/approvals). A decision comes first, then what it
-- posts, then the outcome, all in one transaction:
--
--   decision   never by who asked, once, in time
--   entries    those made by hand only while such a decision waits for its outcome, in the name of who asked
--   outcome    exactly the entries that were asked for; after it no entry and no posting joins them
ALTER TABLE ledger_approvalrequest
    ADD CONSTRAINT approval_request_asked_by_exists FOREIGN KEY (asked_by_id) REFERENCES auth_user (id);
ALTER TABLE ledger_approvaldecision
    -- With the name of who asked, so that a CHECK can compare it with who decides.
    ADD CONSTRAINT approval_decision_request_exists
        FOREIGN KEY (request_id, asked_by_id) REFERENCES ledger_approvalrequest (id, asked_by_id),
    ADD CONSTRAINT approval_decision_decided_by_exists FOREIGN KEY (decided_by_id) REFERENCES auth_user (id);
ALTER TABLE ledger_approvaloutcome
    ADD CONSTRAINT approval_outcome_decision_exists
        FOREIGN KEY (request_id) REFERENCES ledger_approvaldecision (request_id);

CREATE TRIGGER approval_request_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_approvalrequest
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('approval_request_is_final', 'what was asked is never changed or removed; withdraw it');
CREATE TRIGGER approval_decision_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_approvaldecision
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('approval_decision_is_final', 'what was decided is never changed or removed');
CREATE TRIGGER approval_outcome_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_approvaloutcome
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('approval_outcome_is_final', 'what came of a request is never changed or removed');

-- One request about a subject is open at a time; where a thing is done once, none comes after an approved one. What is
-- posted into a player's book names the player, moves USD, and no fee (Dreamland bears those).
CREATE FUNCTION approval_request_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    house CONSTANT text := '00000000-0000-7000-8000-000000000000';
    standing record;
BEGIN
    NEW.asked_at := clock_timestamp();
    SELECT count(*) AS asked,
           count(*) FILTER (WHERE decision.verdict IS NULL AND request.expires_at >= NEW.asked_at) AS open,
           count(*) FILTER (WHERE decision.verdict = 'approved' AND (request.is_once OR NEW.is_once)) AS done
    INTO standing
    FROM ledger_approvalrequest request LEFT JOIN ledger_approvaldecision decision ON decision.request_id = request.id
    WHERE request.kind = NEW.kind AND request.subject = NEW.subject;
    IF standing.open > 0 OR NEW.attempt <> standing.asked + 1 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'approval_request_one_open', TABLE = TG_TABLE_NAME,
            MESSAGE = 'somebody has asked for this already; it is decided or withdrawn first';
    END IF;
    IF standing.done > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'approval_request_done_once', TABLE = TG_TABLE_NAME,
            MESSAGE = 'that was asked for and done before';
    END IF;
    IF jsonb_typeof(NEW.plan) = 'array' AND EXISTS (
        SELECT FROM jsonb_array_elements(NEW.plan) entry
        WHERE entry->>'holder' <> house AND entry->>'holder' IS DISTINCT FROM NEW.payload->>'player'
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'approval_request_names_its_player', TABLE = TG_TABLE_NAME,
            MESSAGE = 'what is posted into a player''s book names the player';
    END IF;
    IF NEW.kind = 'adjustment' AND jsonb_typeof(NEW.plan) = 'array' AND EXISTS (
        SELECT FROM jsonb_array_elements(NEW.plan) entry, jsonb_array_elements(entry->'postings') posting
        LEFT JOIN ledger_account debit ON debit.code = posting->>'debit'
        LEFT JOIN ledger_account credit ON credit.code = posting->>'credit'
        WHERE debit.asset IS DISTINCT FROM 'USD' OR credit.asset IS DISTINCT FROM 'USD'
           OR debit.code LIKE '%fees%' OR credit.code LIKE '%fees%'
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'approval_request_adjusts_usd', TABLE = TG_TABLE_NAME,
            MESSAGE = 'an adjustment moves USD, and no fees; tokens come by wins and go by voids';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approval_request_guard BEFORE INSERT ON ledger_approvalrequest
    FOR EACH ROW EXECUTE FUNCTION approval_request_guard();

CREATE FUNCTION approval_decision_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    NEW.decided_at := clock_timestamp();
    NEW.transaction := pg_current_xact_id();
    IF NEW.verdict = 'approved'
       AND (SELECT expires_at FROM ledger_approvalrequest WHERE id = NEW.request_id) < NEW.decided_at THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'approval_decision_in_time', TABLE = TG_TABLE_NAME,
            MESSAGE = 'the request has expired; it is asked anew';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approval_decision_guard BEFORE INSERT ON ledger_approvaldecision
    FOR EACH ROW EXECUTE FUNCTION approval_decision_guard();

-- Requests that were approved in this transaction and wait for what they come to. (The date is compared too, because a
-- cluster restored from a dump counts its transactions from the start again.)
CREATE FUNCTION approved_now() RETURNS SETOF ledger_approvalrequest
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT request.* FROM ledger_approvaldecision decision
    JOIN ledger_approvalrequest request ON request.id = decision.request_id
    WHERE decision.transaction = pg_current_xact_id() AND decision.verdict = 'approved'
      AND decision.decided_at >= transaction_timestamp() - interval '1 second'
      AND NOT EXISTS (SELECT FROM ledger_approvaloutcome outcome WHERE outcome.request_id = request.id)
$$;

-- An entry that people make. Its WHEN is all that other entries pay for it.
CREATE FUNCTION approved_entry_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM approved_now() request
                   WHERE request.id::text = NEW.metadata->>'request' AND request.asked_by_id = NEW.posted_by_id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_by_hand_is_approved', TABLE = TG_TABLE_NAME,
            MESSAGE = format('entry %s (%s) is made by hand: it names a request that is approved in its own transaction',
                             NEW.id, NEW.kind);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER journal_entry_by_hand AFTER INSERT ON ledger_journalentry
    FOR EACH ROW WHEN (
        NEW.kind IN ('adjustment', 'funding', 'reversal')
        OR (NEW.reverses_id IS NOT NULL AND NEW.kind <> 'void')
        OR NEW.metadata ? 'request'
    )
    EXECUTE FUNCTION approved_entry_guard();

-- An entry as a request plans it: everything that its asker could know.
CREATE FUNCTION journal_entry_plan(entry ledger_journalentry) RETURNS jsonb
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT jsonb_build_object(
        'holder', entry.holder, 'kind', entry.kind, 'memo', entry.memo, 'reverses', entry.reverses_id,
        'metadata', entry.metadata - 'request',
        'postings', (
            SELECT coalesce(jsonb_agg(line ORDER BY line), '[]') FROM (
                SELECT jsonb_build_object('debit', debit_id, 'credit', credit_id, 'amount', trim_scale(amount)::text)
                    AS line
                FROM ledger_posting WHERE holder = entry.holder AND entry_id = entry.id
            ) AS lines))
$$;
CREATE FUNCTION in_order(plan jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path FROM CURRENT AS $$
    SELECT coalesce(jsonb_agg(entry ORDER BY entry), '[]') FROM (
        SELECT entry || jsonb_build_object('postings', (
            SELECT coalesce(jsonb_agg(line ORDER BY line), '[]') FROM jsonb_array_elements(entry->'postings') line)) AS entry
        FROM jsonb_array_elements(plan) entry
    ) AS entries
$$;

-- For whoever decides by what became of an entry: nobody else who does so goes on until the transaction ends. NO KEY, so
-- that what refers to the entry does not wait. (The app's role may lock no row of the journal itself.)
CREATE FUNCTION lock_entry(wanted uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM ledger_journalentry WHERE id = wanted FOR NO KEY UPDATE;
END $$;

-- What came of a request is what was asked for, to the last digit, and nothing else names it.
CREATE FUNCTION approval_outcome_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    planned jsonb;
    posted jsonb;
    ids uuid[];
BEGIN
    SELECT plan INTO planned FROM approved_now() WHERE id = NEW.request_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'approval_outcome_of_approved', TABLE = TG_TABLE_NAME,
            MESSAGE = 'only a request that is approved in this transaction comes to something, once';
    END IF;
    SELECT coalesce(jsonb_agg(journal_entry_plan(entry)), '[]'), coalesce(array_agg(entry.id ORDER BY entry.id), '{}')
    INTO posted, ids
    FROM ledger_journalentry entry
    WHERE entry.transaction = pg_current_xact_id() AND entry.metadata->>'request' = NEW.request_id::text;
    IF ids <> NEW.entry_ids OR (jsonb_typeof(planned) = 'array' AND in_order(planned) <> in_order(posted)) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'approval_outcome_is_its_plan', TABLE = TG_TABLE_NAME,
            MESSAGE = format('request %s was approved for other entries than these', NEW.request_id);
    END IF;
    NEW.carried_out_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER approval_outcome_guard BEFORE INSERT ON ledger_approvaloutcome
    FOR EACH ROW EXECUTE FUNCTION approval_outcome_guard();

-- Nobody approves a thing and leaves it undone.
CREATE FUNCTION approval_is_carried_out() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ledger_approvaloutcome WHERE request_id = NEW.request_id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'approval_is_carried_out', TABLE = TG_TABLE_NAME,
            MESSAGE = format('request %s is approved and comes to nothing', NEW.request_id);
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER approval_is_carried_out AFTER INSERT ON ledger_approvaldecision
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.verdict = 'approved')
    EXECUTE FUNCTION approval_is_carried_out();

-- As before (sql/posting_keys.sql), and: what came of a request gains no posting after its outcome.
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
       OR (e.metadata ? 'request' AND EXISTS (
            SELECT FROM ledger_approvaloutcome outcome
            WHERE outcome.request_id = CASE WHEN pg_input_is_valid(e.metadata->>'request', 'uuid')
                                            THEN (e.metadata->>'request')::uuid END))
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
