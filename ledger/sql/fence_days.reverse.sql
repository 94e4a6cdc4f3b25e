-- Fences every day that is over. The fence is the first transaction id that nobody had when the day was over for sure:
-- an entry's transaction gets its id before its clock is read, so whatever is dated into the day is older than the fence.
-- (statement_timestamp() is read before the snapshot is taken; the margin forgives a clock that is set back a little.)
CREATE OR REPLACE FUNCTION fence_days() RETURNS void
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
