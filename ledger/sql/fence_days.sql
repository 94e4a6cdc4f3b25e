-- Fences every day that is over, by this transaction's own id, which is given once the day is over for sure: an entry's
-- transaction gets its id before its clock is read, so whatever is dated into the day is older than the fence. (The end of
-- the snapshot, as before, would not do: it lies behind the newest transaction that has *ended*, and one that is still at
-- work may lie behind it. The day was then counted without it.) The margin forgives a clock that is set back a little.
CREATE OR REPLACE FUNCTION fence_days() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    INSERT INTO ledger_closedday (day, fence)
    SELECT day::date, pg_current_xact_id()
    FROM generate_series(
        coalesce((SELECT max(day) + 1 FROM ledger_closedday),
                 (SELECT (min(posted_at) AT TIME ZONE 'UTC')::date FROM ledger_journalentry)),
        ((statement_timestamp() - interval '2 seconds') AT TIME ZONE 'UTC')::date - 1,
        interval '1 day'
    ) AS day
    ORDER BY day
    ON CONFLICT (day) DO NOTHING
$$;
