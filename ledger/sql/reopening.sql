-- Closings and reopenings follow each other; the last one says before which date entries are final.
ALTER TABLE ledger_periodclose
    ADD CONSTRAINT period_close_request_exists FOREIGN KEY (request_id) REFERENCES ledger_approvalrequest (id);

CREATE FUNCTION lock_date() RETURNS timestamptz
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT ends_at FROM ledger_periodclose ORDER BY closed_at DESC LIMIT 1;
END;

-- For whoever decides by the lock date: nobody closes or reopens until the transaction ends.
CREATE FUNCTION lock_periods() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    LOCK TABLE ledger_periodclose IN SHARE ROW EXCLUSIVE MODE;
END $$;

-- As before (sql/period_close.sql), and: the lock date moves back by an approved request, to where that says. One
-- closing or reopening at a time, and the clock between them goes forward.
CREATE OR REPLACE FUNCTION period_close_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    LOCK TABLE ledger_journalentry IN SHARE ROW EXCLUSIVE MODE;
    IF NEW.request_id IS NULL AND (NEW.ends_at > clock_timestamp() OR NEW.ends_at <= lock_date()) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'period_close_moves_forward', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a period is closed when it is over, and later than the last closed one';
    END IF;
    IF NEW.request_id IS NOT NULL AND (NEW.ends_at < lock_date()) IS NOT TRUE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'period_reopening_moves_back', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a reopening moves the lock date back';
    END IF;
    IF NEW.request_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM approved_now() request
        WHERE request.id = NEW.request_id AND request.kind = 'reopening'
          AND (request.payload->>'back_to')::timestamptz = NEW.ends_at AND request.asked_by_id = NEW.closed_by_id
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'period_reopening_is_approved', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a period is opened again by a request that is approved in the same transaction';
    END IF;
    NEW.closed_at := greatest(clock_timestamp(),
                              (SELECT max(closed_at) + interval '1 microsecond' FROM ledger_periodclose));
    RETURN NEW;
END $$;

-- As before (sql/journal_entry.sql), by the lock date.
CREATE OR REPLACE FUNCTION journal_entry_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    -- A clock that is set back while a transaction runs must not refuse honest entries.
    tolerance CONSTANT interval := '1 second';
    bad uuid;
BEGIN
    SELECT id INTO bad FROM new_entries
    WHERE transaction <> pg_current_xact_id()
       OR posted_at NOT BETWEEN transaction_timestamp() - tolerance AND clock_timestamp() + tolerance
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_clock_is_databases', TABLE = TG_TABLE_NAME,
            MESSAGE = format('entry %s does not carry the database''s own clock and transaction', bad);
    END IF;

    SELECT e.id INTO bad FROM new_entries e
    WHERE e.posted_at < (SELECT ends_at FROM ledger_periodclose ORDER BY closed_at DESC LIMIT 1)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_period_is_open', TABLE = TG_TABLE_NAME,
            MESSAGE = format('entry %s is dated into a closed period', bad);
    END IF;

    SELECT e.id INTO bad
    FROM new_entries e JOIN ledger_journalentry original ON original.id = e.reverses_id
    WHERE original.holder <> e.holder OR original.reverses_id IS NOT NULL
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'journal_entry_reverses_original', TABLE = TG_TABLE_NAME,
            MESSAGE = format('entry %s reverses another holder''s entry or a reversal', bad);
    END IF;
    RETURN NULL;
END $$;
