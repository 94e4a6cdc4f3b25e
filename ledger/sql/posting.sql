-- Foreign keys that hold at once. The composite ones bind the posting's asset to both accounts': a posting that mixes
-- assets has nothing to refer to.
ALTER TABLE ledger_posting
    ADD CONSTRAINT posting_entry_exists FOREIGN KEY (entry_id) REFERENCES ledger_journalentry (id),
    ADD CONSTRAINT posting_debit_has_asset
        FOREIGN KEY (debit_id, asset) REFERENCES ledger_account (code, asset),
    ADD CONSTRAINT posting_credit_has_asset
        FOREIGN KEY (credit_id, asset) REFERENCES ledger_account (code, asset),
    -- Dreamland's own book (ledger.models.HOUSE) holds no share of a control account.
    ADD CONSTRAINT posting_house_holds_no_share CHECK (
        holder <> '00000000-0000-7000-8000-000000000000'
        OR NOT (starts_with(debit_id, 'player:') OR starts_with(credit_id, 'player:'))
    ),
    -- Dreamland bears every fee: an account with "fees" in its code never meets a player's account.
    ADD CONSTRAINT posting_fee_never_touches_player CHECK (
        NOT (starts_with(debit_id, 'player:') AND credit_id LIKE '%fees%')
        AND NOT (starts_with(credit_id, 'player:') AND debit_id LIKE '%fees%')
    );

-- Postings only arrive.
CREATE TRIGGER posting_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_posting
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('posting_is_final', 'a posting is never changed or removed; reverse its entry');

-- An entry is whole when its transaction commits: postings join only entries of their own transaction and holder.
-- (Full transaction ids are compared, not xmin: xmin is another one inside a savepoint. The date is compared too,
-- because a cluster restored from a dump counts its transactions from the start again.)
CREATE FUNCTION posting_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    bad record;
BEGIN
    SELECT p.id, p.entry_id, e.holder IS DISTINCT FROM p.holder AS stranger INTO bad
    FROM new_postings p LEFT JOIN ledger_journalentry e ON e.id = p.entry_id
    WHERE e.holder IS DISTINCT FROM p.holder
       OR e.transaction <> pg_current_xact_id()
       OR e.posted_at < transaction_timestamp() - interval '1 second'
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME,
            CONSTRAINT = CASE WHEN bad.stranger THEN 'posting_holder_is_entrys' ELSE 'posting_entry_is_open' END,
            MESSAGE = CASE WHEN bad.stranger
                THEN format('posting %s does not name the holder of entry %s', bad.id, bad.entry_id)
                ELSE format('posting %s joins entry %s of another transaction', bad.id, bad.entry_id) END;
    END IF;
    RETURN NULL;
END $$;

-- Triggers of one event fire in the order of their names: the guard comes before posting_moves_balance.
CREATE TRIGGER posting_guard AFTER INSERT ON ledger_posting
    REFERENCING NEW TABLE AS new_postings
    FOR EACH STATEMENT EXECUTE FUNCTION posting_guard();
