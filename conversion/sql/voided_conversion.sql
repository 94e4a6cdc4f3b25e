ALTER TABLE conversion_voidedconversion
    -- Foreign keys that hold at once (not deferred to COMMIT).
    ADD CONSTRAINT voided_conversion_entry_exists FOREIGN KEY (entry_id) REFERENCES ledger_journalentry (id),
    ADD CONSTRAINT voided_conversion_line_exists
        FOREIGN KEY (conversion_id) REFERENCES conversion_conversion (entry_id),
    ADD CONSTRAINT voided_conversion_win_exists FOREIGN KEY (win_id) REFERENCES rewards_win (entry_id),
    ADD CONSTRAINT voided_conversion_player_exists FOREIGN KEY (player_id) REFERENCES rewards_player (id);

CREATE TRIGGER voided_conversion_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON conversion_voidedconversion
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('voided_conversion_is_final', 'what was taken back is never changed or removed');

-- What must be true of every share that is taken back, in one pass over the statement's rows. The lines are locked, so
-- that two shares of one line are added up one after the other: together the voided wins of a line give back exactly
-- what their tokens are worth at its rate, and all of them exactly its USD.
CREATE FUNCTION voided_conversion_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    bad uuid;
BEGIN
    PERFORM FROM conversion_conversion WHERE entry_id IN (SELECT conversion_id FROM new_shares)
    ORDER BY entry_id FOR NO KEY UPDATE;

    SELECT share.entry_id INTO bad
    FROM new_shares share
    JOIN conversion_conversion line ON line.entry_id = share.conversion_id
    JOIN rewards_win win ON win.entry_id = share.win_id
    JOIN ledger_journalentry entry ON entry.id = share.entry_id
    WHERE (line.player_id, line.hour, line.day, win.player_id, win.converted_by_id, win.amount, entry.holder,
           entry.kind, entry.posted_at)
          IS DISTINCT FROM (share.player_id, share.hour, share.day, share.player_id, share.conversion_id, share.tokens,
                            share.player_id, 'conversion-void', share.voided_at)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'voided_conversion_is_its_wins', TABLE = TG_TABLE_NAME,
            MESSAGE = format('share %s is not of the conversion of its win', bad);
    END IF;

    SELECT line.entry_id INTO bad
    FROM conversion_conversion line
    JOIN conversion_rate rate ON rate.id = line.rate_id
    JOIN conversion_voidedconversion share
      ON share.player_id = line.player_id AND share.conversion_id = line.entry_id
    WHERE line.entry_id IN (SELECT conversion_id FROM new_shares)
    GROUP BY line.entry_id, rate.price
    HAVING sum(share.usd) <> round_half_even(sum(share.tokens) * rate.price, 8)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'voided_conversion_is_at_its_rate', TABLE = TG_TABLE_NAME,
            MESSAGE = format('the shares of conversion %s are not what their tokens are worth at its rate', bad);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER voided_conversion_guard AFTER INSERT ON conversion_voidedconversion
    REFERENCING NEW TABLE AS new_shares
    FOR EACH STATEMENT EXECUTE FUNCTION voided_conversion_guard();

-- A converted win is not voided without what it became. (The other way round would need a key that is deferred to
-- COMMIT: `verify_books` looks at that.)
CREATE FUNCTION void_takes_conversion_back() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    bad uuid;
BEGIN
    SELECT void.win_id INTO bad
    FROM new_voids void
    JOIN rewards_win win ON win.entry_id = void.win_id AND win.converted_by_id IS NOT NULL
    LEFT JOIN conversion_voidedconversion share ON share.win_id = void.win_id
    WHERE share.win_id IS NULL
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'void_takes_conversion_back', TABLE = TG_TABLE_NAME,
            MESSAGE = format('win %s is voided, and its share of the conversion is not taken back', bad);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER void_takes_conversion_back AFTER INSERT ON rewards_void
    REFERENCING NEW TABLE AS new_voids
    FOR EACH STATEMENT EXECUTE FUNCTION void_takes_conversion_back();
