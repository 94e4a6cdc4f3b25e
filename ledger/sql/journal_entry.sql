-- Foreign keys that hold at once (not deferred to COMMIT).
ALTER TABLE ledger_journalentry
    ADD CONSTRAINT journal_entry_reverses_exists FOREIGN KEY (reverses_id) REFERENCES ledger_journalentry (id),
    ADD CONSTRAINT journal_entry_posted_by_exists FOREIGN KEY (posted_by_id) REFERENCES auth_user (id);

-- Entries only arrive.
CREATE TRIGGER journal_entry_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_journalentry
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('journal_entry_is_final', 'a journal entry is never changed or removed; reverse it');

-- What must be true of every entry that arrives, in one pass over the statement's rows.
CREATE FUNCTION journal_entry_guard() RETURNS trigger
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

CREATE TRIGGER journal_entry_guard AFTER INSERT ON ledger_journalentry
    REFERENCING NEW TABLE AS new_entries
    FOR EACH STATEMENT EXECUTE FUNCTION journal_entry_guard();
