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
CREATE OR REPLACE FUNCTION seal_digest(previous bytea, number bigint, hash_version int, starts xid8, ends xid8) RETURNS bytea
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT sha256(previous || int8send(number) || int2send(hash_version::smallint)
                  || convert_to(starts::text || '/' || ends::text || '/' || count(*), 'UTF8')
                  || coalesce(string_agg(journal_entry_digest(entry), ''::bytea ORDER BY entry.transaction, entry.id), ''))
    FROM ledger_journalentry entry
    WHERE entry.transaction >= starts AND entry.transaction < ends
$$;

