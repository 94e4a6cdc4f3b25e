-- A game takes back its own wins by itself. What one of the staff takes back another one approves: each entry of it names
-- the request, and an entry that names one stands in the transaction that approves it (ledger/sql/approval.sql).
CREATE FUNCTION void_by_staff_is_approved() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ledger_journalentry entry WHERE entry.id = NEW.entry_id
                   AND entry.metadata ? 'request' AND entry.posted_by_id = NEW.user_id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'void_by_staff_is_approved', TABLE = TG_TABLE_NAME,
            MESSAGE = 'what one of the staff takes back names a request that another one approved';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER void_by_staff_is_approved AFTER INSERT ON rewards_void
    FOR EACH ROW WHEN (NEW.user_id IS NOT NULL)
    EXECUTE FUNCTION void_by_staff_is_approved();
