-- Every column of an entry and of its postings, as one JSON text that can be read in one way only.
CREATE FUNCTION journal_entry_digest(entry ledger_journalentry) RETURNS bytea
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT sha256(convert_to(jsonb_build_array(
        entry.id, entry.holder, entry.kind, entry.memo,
        to_char(entry.posted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
        entry.transaction::text, entry.posted_by_id, entry.reverses_id, entry.metadata,
        (SELECT jsonb_agg(jsonb_build_array(posting.id, posting.debit_id, posting.credit_id, posting.asset,
                                            posting.amount::text) ORDER BY posting.id)
         FROM ledger_posting posting WHERE posting.holder = entry.holder AND posting.entry_id = entry.id)
    )::text, 'UTF8'))
$$;

-- The digest of a link: the link before it, its own figures, and its entries in order of transaction and id.
CREATE FUNCTION seal_digest(previous bytea, number bigint, hash_version int, starts xid8, ends xid8) RETURNS bytea
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT sha256(previous || int8send(number) || int2send(hash_version::smallint)
                  || convert_to(starts::text || '/' || ends::text || '/' || count(*), 'UTF8')
                  || coalesce(string_agg(journal_entry_digest(entry), ''::bytea ORDER BY entry.transaction, entry.id), ''))
    FROM ledger_journalentry entry
    WHERE entry.transaction >= starts AND entry.transaction < ends
$$;

-- Seals what can gain no predecessor any more: entries of transactions below the oldest one that is still at work. At
-- most about `most` entries go into a link, and never a part of a transaction. Returns the link, or nothing to seal.
CREATE FUNCTION seal_journal(most int) RETURNS SETOF ledger_seal
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    horizon xid8;
    last ledger_seal;
    link_starts xid8 := '0';
    link_ends xid8;
    link_entries bigint;
    genesis CONSTANT bytea := sha256('Dreamland');
    version CONSTANT smallint := 1;
BEGIN
    LOCK TABLE ledger_seal IN EXCLUSIVE MODE; -- one at a time: numbers without a gap; readers go on
    SELECT * INTO last FROM ledger_seal ORDER BY number DESC LIMIT 1;
    IF FOUND THEN
        link_starts := last.ends;
    END IF;
    horizon := pg_snapshot_xmin(pg_current_snapshot());
    SELECT (max(transaction)::text::bigint + 1)::text::xid8, count(*) INTO link_ends, link_entries
    FROM (SELECT transaction FROM ledger_journalentry
          WHERE transaction >= link_starts AND transaction < horizon
          ORDER BY transaction FETCH FIRST most ROWS WITH TIES) AS chosen;
    IF link_entries = 0 THEN
        RETURN;
    END IF;
    RETURN QUERY
        INSERT INTO ledger_seal (number, hash_version, starts, ends, entries, digest)
        VALUES (coalesce(last.number, 0) + 1, version, link_starts, link_ends, link_entries,
                seal_digest(coalesce(last.digest, genesis), coalesce(last.number, 0) + 1, version, link_starts, link_ends))
        RETURNING *;
END $$;

CREATE TRIGGER seal_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_seal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('seal_is_final', 'a seal is never changed or removed');
CREATE TRIGGER verification_run_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_verificationrun
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('verification_run_is_final', 'what a verification found stays');
