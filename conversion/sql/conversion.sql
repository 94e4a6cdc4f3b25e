ALTER TABLE conversion_conversion
    ADD CONSTRAINT conversion_hour_is_whole CHECK (date_trunc('hour', hour, 'UTC') = hour),
    -- Foreign keys that hold at once (not deferred to COMMIT).
    ADD CONSTRAINT conversion_entry_exists FOREIGN KEY (entry_id) REFERENCES ledger_journalentry (id),
    ADD CONSTRAINT conversion_run_exists FOREIGN KEY (run_id) REFERENCES conversion_conversionrun (id),
    ADD CONSTRAINT conversion_player_exists FOREIGN KEY (player_id) REFERENCES rewards_player (id),
    ADD CONSTRAINT conversion_rate_exists FOREIGN KEY (rate_id) REFERENCES conversion_rate (id),
    ADD CONSTRAINT conversion_fee_rule_exists FOREIGN KEY (fee_rule_id) REFERENCES conversion_feerule (id);

CREATE TRIGGER conversion_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON conversion_conversion
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('conversion_is_final', 'a conversion is never changed or removed; reverse its entry');

-- What must be true of every line that arrives, in one pass over the statement's rows. The runs are locked, so that
-- none of them is finished, and its totals counted, while a line of it is still on its way to COMMIT.
CREATE FUNCTION conversion_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    bad record;
BEGIN
    PERFORM FROM conversion_conversionrun WHERE id IN (SELECT run_id FROM new_lines) ORDER BY id FOR SHARE;

    SELECT line.entry_id, run.state = 'done' AS closed INTO bad
    FROM new_lines line
    JOIN conversion_conversionrun run ON run.id = line.run_id
    JOIN conversion_rate rate ON rate.id = line.rate_id
    JOIN conversion_feerule rule ON rule.id = line.fee_rule_id
    WHERE run.state = 'done' OR line.hour > run.hour OR rate.hour <> line.hour OR rate.state <> 'accepted'
       OR rule.effective_from > line.hour
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME,
            CONSTRAINT = CASE WHEN bad.closed THEN 'conversion_run_is_open' ELSE 'conversion_terms_are_its_hours' END,
            MESSAGE = CASE WHEN bad.closed
                THEN format('conversion %s joins a run that is finished', bad.entry_id)
                ELSE format('conversion %s does not use the accepted rate and a fee rule of its own hour', bad.entry_id)
            END;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER conversion_guard AFTER INSERT ON conversion_conversion
    REFERENCING NEW TABLE AS new_lines
    FOR EACH STATEMENT EXECUTE FUNCTION conversion_guard();
