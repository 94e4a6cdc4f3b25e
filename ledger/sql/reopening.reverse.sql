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
    WHERE e.posted_at < (SELECT max(ends_at) FROM ledger_periodclose)
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

CREATE OR REPLACE FUNCTION period_close_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    LOCK TABLE ledger_journalentry IN SHARE MODE;
    IF NEW.ends_at > clock_timestamp() OR NEW.ends_at <= (SELECT max(ends_at) FROM ledger_periodclose) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'period_close_moves_forward', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a period is closed when it is over, and later than the last closed one';
    END IF;
    NEW.closed_at := clock_timestamp();
    RETURN NEW;
END $$;

DROP FUNCTION lock_periods();
DROP FUNCTION lock_date();
ALTER TABLE ledger_periodclose DROP CONSTRAINT period_close_request_exists;
