ALTER TABLE ledger_daytotal
    ADD CONSTRAINT day_total_day_exists FOREIGN KEY (day) REFERENCES ledger_closedday (day),
    ADD CONSTRAINT day_total_account_exists FOREIGN KEY (account_id) REFERENCES ledger_account (code);

-- Fences every day that is over. The fence is the first transaction id that nobody had when the day was over for sure:
-- an entry's transaction gets its id before its clock is read, so whatever is dated into the day is older than the fence.
-- (statement_timestamp() is read before the snapshot is taken; the margin forgives a clock that is set back a little.)
CREATE FUNCTION fence_days() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    INSERT INTO ledger_closedday (day, fence)
    SELECT day::date, pg_snapshot_xmax(pg_current_snapshot())
    FROM generate_series(
        coalesce((SELECT max(day) + 1 FROM ledger_closedday),
                 (SELECT (min(posted_at) AT TIME ZONE 'UTC')::date FROM ledger_journalentry)),
        ((statement_timestamp() - interval '2 seconds') AT TIME ZONE 'UTC')::date - 1,
        interval '1 day'
    ) AS day
    ORDER BY day
    ON CONFLICT (day) DO NOTHING
$$;

-- Counts the oldest fenced day, once no transaction older than its fence is at work. Returns the day, or null where
-- there is nothing to close, or somebody closes it already, or somebody could still add to it.
CREATE FUNCTION close_next_day() RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    next record;
    starts timestamptz;
    counted bigint;
BEGIN
    SELECT day, fence INTO next FROM ledger_closedday WHERE closed_at IS NULL ORDER BY day LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND OR next.fence > pg_snapshot_xmin(pg_current_snapshot()) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM ledger_closedday WHERE closed_at IS NULL AND day < next.day) THEN
        RETURN NULL;
    END IF;
    starts := next.day::timestamp AT TIME ZONE 'UTC';
    INSERT INTO ledger_daytotal (day, account_id, debits, credits)
    SELECT next.day, side.account_id,
           coalesce(sum(moved.amount) FILTER (WHERE side.name = 'debit'), 0),
           coalesce(sum(moved.amount) FILTER (WHERE side.name = 'credit'), 0)
    FROM (
        SELECT posting.debit_id, posting.credit_id, sum(posting.amount) AS amount
        FROM ledger_journalentry entry
        JOIN ledger_posting posting ON posting.holder = entry.holder AND posting.entry_id = entry.id
        WHERE entry.posted_at >= starts AND entry.posted_at < starts + interval '1 day'
        GROUP BY 1, 2
    ) moved
    CROSS JOIN LATERAL (VALUES (moved.debit_id, 'debit'), (moved.credit_id, 'credit')) AS side (account_id, name)
    GROUP BY side.account_id;
    SELECT count(*) INTO counted FROM ledger_journalentry
    WHERE posted_at >= starts AND posted_at < starts + interval '1 day';
    UPDATE ledger_closedday SET closed_at = clock_timestamp(), entries = counted WHERE day = next.day;
    RETURN next.day;
END $$;

-- A day is written by these two functions and by nothing else, and what is counted stays.
CREATE FUNCTION closed_day_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('DELETE', 'TRUNCATE') OR (TG_OP = 'UPDATE' AND OLD.closed_at IS NOT NULL)
       OR (TG_OP = 'UPDATE' AND (NEW.day, NEW.fence) IS DISTINCT FROM (OLD.day, OLD.fence)) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'closed_day_is_final', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a day that was counted stays as it is';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER closed_day_guard BEFORE UPDATE OR DELETE ON ledger_closedday
    FOR EACH ROW EXECUTE FUNCTION closed_day_guard();
CREATE TRIGGER closed_day_stays BEFORE TRUNCATE ON ledger_closedday
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('closed_day_is_final', 'a day that was counted stays as it is');
CREATE TRIGGER day_total_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_daytotal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('day_total_is_final', 'a day that was counted stays as it is');
