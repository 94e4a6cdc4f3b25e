-- A period is closed once it is over by the database's clock, later than the last one, and only when every entry
-- dated into it is committed: the lock waits for the writers that are still at it, and lets new ones in afterwards.
CREATE FUNCTION period_close_guard() RETURNS trigger
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

CREATE TRIGGER period_close_guard BEFORE INSERT ON ledger_periodclose
    FOR EACH ROW EXECUTE FUNCTION period_close_guard();

CREATE TRIGGER period_close_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_periodclose
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('period_close_is_final', 'a closed period stays closed');
