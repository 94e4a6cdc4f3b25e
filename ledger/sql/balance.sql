ALTER TABLE ledger_balance
    ADD CONSTRAINT balance_account_exists FOREIGN KEY (account_id) REFERENCES ledger_account (code),
    -- Updates find room on their own page, so that the index need not follow (HOT).
    SET (fillfactor = 70);

-- Whoever posts, by any road, the shares of held accounts follow, in one ordered pass however many rows arrive.
--
-- Order: rows are locked in (holder, account) order, or two bulk postings deadlock.
-- One statement: an upsert checks the row it *proposes*, so a share that shrinks must propose a legal row and carry its
-- signed movement beside it. Splitting rises from falls would take locks in two rounds, and so out of order.
CREATE FUNCTION posting_moves_balance() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    bad record;
BEGIN
    WITH moved AS (
        SELECT p.holder, side.account_id,
               sum(CASE WHEN side.name = account.normal_side THEN p.amount ELSE -p.amount END) AS movement
        FROM new_postings p
        CROSS JOIN LATERAL (VALUES (p.debit_id, 'debit'), (p.credit_id, 'credit')) AS side (account_id, name)
        JOIN ledger_account account ON account.code = side.account_id AND account.held
        GROUP BY p.holder, side.account_id
    ), applied AS (
        INSERT INTO ledger_balance AS balance (holder, account_id, amount, movement)
        SELECT holder, account_id, greatest(movement, 0), movement
        FROM moved WHERE movement <> 0
        ORDER BY holder, account_id
        ON CONFLICT (holder, account_id) DO UPDATE
            SET amount = balance.amount + excluded.movement, movement = excluded.movement
        RETURNING WITH (OLD AS before, NEW AS after)
            after.holder, after.account_id, before.holder IS NULL AND after.movement < 0 AS overdrawn
    )
    SELECT holder, account_id INTO bad FROM applied WHERE overdrawn LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'balance_amount_not_negative', TABLE = 'ledger_balance',
            MESSAGE = format('holder %s has nothing in %s', bad.holder, bad.account_id);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER posting_moves_balance AFTER INSERT ON ledger_posting
    REFERENCING NEW TABLE AS new_postings
    FOR EACH STATEMENT EXECUTE FUNCTION posting_moves_balance();

-- A balance that is written any other way is refused, also to the owner: inside the trigger above the depth is 2.
CREATE FUNCTION balance_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 OR TG_OP IN ('DELETE', 'TRUNCATE') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'balance_follows_postings', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a balance is moved by postings and by nothing else';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER balance_guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON ledger_balance
    FOR EACH STATEMENT EXECUTE FUNCTION balance_guard();
