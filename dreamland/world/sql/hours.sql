ALTER TABLE world_playerreference
    ADD CONSTRAINT player_reference_player_exists FOREIGN KEY (player_id) REFERENCES rewards_player (id) ON DELETE CASCADE;

-- Fences every hour (`span`) that is over. The fence is this very transaction's id, given once the hour is over: an entry's
-- transaction gets its id before its clock is read, so whatever is dated into the hour is older. (The end of the snapshot
-- would not do: it lies behind the newest transaction that has *ended*, and others are at work beyond it.) Nothing on the
-- way of a win knows of this. (`margin` forgives a clock that is set back a little.)
CREATE FUNCTION world_fence_hours(span interval, margin interval) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    INSERT INTO world_hourfence (starts_at, ends_at, fence)
    SELECT starts, starts + span, pg_current_xact_id()
    FROM generate_series(
        coalesce((SELECT max(ends_at) FROM world_hourfence),
                 (SELECT date_bin(span, min(posted_at), timestamptz 'epoch') FROM ledger_journalentry)),
        statement_timestamp() - margin - span,
        span
    ) AS starts
    ORDER BY starts
    ON CONFLICT (starts_at) DO NOTHING
$$;

-- What players did in the hour, under their random names; a name is made where there is none yet.
CREATE FUNCTION world_note_activity(starts timestamptz, ends timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    INSERT INTO world_playerreference (player_id, reference)
    SELECT player.id, gen_random_uuid()
    FROM (SELECT DISTINCT holder FROM ledger_journalentry
          WHERE posted_at >= starts AND posted_at < ends) AS seen
    JOIN rewards_player player ON player.id = seen.holder
    ON CONFLICT (player_id) DO NOTHING;

    INSERT INTO world_activity (hour, reference, wins, tokens, usd)
    SELECT starts, named.reference, sum(done.wins), sum(done.tokens), sum(done.usd)
    FROM (
        SELECT win.player_id, 1 AS wins, win.amount AS tokens, 0 AS usd
        FROM ledger_journalentry entry JOIN rewards_win win ON win.entry_id = entry.id
        WHERE entry.posted_at >= starts AND entry.posted_at < ends
        UNION ALL
        SELECT conversion.player_id, 0, 0, conversion.usd
        FROM ledger_journalentry entry JOIN conversion_conversion conversion ON conversion.entry_id = entry.id
        WHERE entry.posted_at >= starts AND entry.posted_at < ends
    ) AS done
    JOIN world_playerreference named USING (player_id)
    GROUP BY named.reference;
$$;

-- Closes the oldest fenced hour, once no transaction older than its fence is at work: its totals and the next link of
-- the chain, in the very stream that carries the hour's rows, and behind all of them. Returns the hour, or null where
-- there is nothing to close yet. (hour_totals is made by what publishes: dreamland/world/digest.py.)
CREATE FUNCTION world_close_next_hour() RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    next record;
    last world_hourclose;
    found_totals jsonb;
BEGIN
    LOCK TABLE world_hourclose IN EXCLUSIVE MODE; -- one at a time: numbers without a gap; readers go on
    SELECT * INTO last FROM world_hourclose ORDER BY number DESC LIMIT 1;
    SELECT * INTO next FROM world_hourfence
    WHERE last.number IS NULL OR starts_at >= last.ends_at ORDER BY starts_at LIMIT 1;
    IF NOT FOUND OR next.fence > pg_snapshot_xmin(pg_current_snapshot()) THEN
        RETURN NULL;
    END IF;
    PERFORM world_note_activity(next.starts_at, next.ends_at);
    found_totals := hour_totals(next.starts_at, next.ends_at);
    INSERT INTO world_hourclose (number, starts_at, ends_at, totals, chain)
    VALUES (coalesce(last.number, 0) + 1, next.starts_at, next.ends_at, found_totals,
            world_chain(coalesce(last.chain, ''), coalesce(last.number, 0) + 1, next.starts_at, next.ends_at,
                        found_totals));
    RETURN next.starts_at;
END $$;

-- A link of the chain: everything in a closed hour, and the link before it.
CREATE FUNCTION world_chain(previous text, number bigint, starts timestamptz, ends timestamptz, totals jsonb)
RETURNS text LANGUAGE sql IMMUTABLE SET search_path FROM CURRENT AS $$
    SELECT encode(sha256(convert_to(
        concat_ws('/', previous, number, (extract(epoch FROM starts) * 1000000)::bigint,
                  (extract(epoch FROM ends) * 1000000)::bigint, totals), 'UTF8')), 'hex')
$$;

CREATE FUNCTION world_give_beat() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    given bigint;
BEGIN
    LOCK TABLE world_beat IN EXCLUSIVE MODE;
    INSERT INTO world_beat (number) SELECT coalesce(max(number), 0) + 1 FROM world_beat RETURNING number INTO given;
    RETURN given;
END $$;

CREATE TRIGGER hour_close_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON world_hourclose
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('hour_close_is_final', 'what was closed stays as it is');
CREATE TRIGGER hour_fence_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON world_hourfence
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('hour_fence_is_final', 'the fence of an hour stays where it is');
CREATE TRIGGER activity_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON world_activity
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('activity_is_final', 'what was told to the centre stays');
