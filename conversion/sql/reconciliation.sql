ALTER TABLE conversion_providerstatement
    -- Foreign keys that hold at once (not deferred to COMMIT).
    ADD CONSTRAINT statement_imported_by_exists FOREIGN KEY (imported_by_id) REFERENCES auth_user (id),
    ADD CONSTRAINT statement_digest_length CHECK (octet_length(digest) = 32),
    ADD CONSTRAINT statement_hours_are_whole
        CHECK (mod(extract(epoch FROM starts), 3600) = 0 AND mod(extract(epoch FROM ends), 3600) = 0);
ALTER TABLE conversion_statementline
    ADD CONSTRAINT statement_line_statement_exists
        FOREIGN KEY (statement_id) REFERENCES conversion_providerstatement (id);
ALTER TABLE conversion_difference
    ADD CONSTRAINT difference_statement_exists FOREIGN KEY (statement_id) REFERENCES conversion_providerstatement (id),
    ADD CONSTRAINT difference_line_exists FOREIGN KEY (line_id) REFERENCES conversion_statementline (id),
    ADD CONSTRAINT difference_conversion_exists FOREIGN KEY (conversion_id) REFERENCES conversion_conversion (entry_id);

CREATE TRIGGER statement_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON conversion_providerstatement
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('statement_is_final', 'what the provider told is never changed or removed');
CREATE TRIGGER statement_line_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON conversion_statementline
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('statement_line_is_final', 'what the provider told is never changed or removed');
CREATE TRIGGER difference_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON conversion_difference
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('difference_is_final', 'a difference is never changed or removed; it is resolved');

-- A statement tells of hours that are over and converted, so that both sides are complete, and of no hour twice. One at a
-- time: `imported_at` is taken under the lock, so it is also the order in which statements count (what is doubled).
CREATE FUNCTION statement_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    other text;
    waits timestamptz;
BEGIN
    LOCK TABLE conversion_providerstatement IN SHARE ROW EXCLUSIVE MODE; -- readers go on
    NEW.imported_at := clock_timestamp();
    NEW.transaction := pg_current_xact_id();
    -- The same file, or the same statement with other content, is for the unique keys to name.
    SELECT reference INTO other FROM conversion_providerstatement
    WHERE provider = NEW.provider AND starts < NEW.ends AND ends > NEW.starts
      AND reference <> NEW.reference AND digest <> NEW.digest
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'statement_periods_apart', TABLE = TG_TABLE_NAME,
            MESSAGE = format('statement %s of this provider tells of some of these hours already', other);
    END IF;
    SELECT hour INTO waits
    FROM generate_series(greatest(NEW.starts, (SELECT min(hour) FROM conversion_conversionrun)),
                         NEW.ends - interval '1 hour', interval '1 hour', 'UTC') AS hour
    WHERE NOT EXISTS (SELECT FROM conversion_conversionrun run WHERE run.hour = hour.hour AND run.state = 'done')
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'statement_of_converted_hours', TABLE = TG_TABLE_NAME,
            MESSAGE = format('the hour %s is not converted yet', to_char(waits AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER statement_guard BEFORE INSERT ON conversion_providerstatement
    FOR EACH ROW EXECUTE FUNCTION statement_guard();

-- Lines come with their statement, in its transaction, and tell of no hour behind its end.
CREATE FUNCTION statement_line_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    bad record;
BEGIN
    SELECT line.number, statement.transaction <> pg_current_xact_id() AS joins INTO bad
    FROM new_lines line JOIN conversion_providerstatement statement ON statement.id = line.statement_id
    WHERE statement.transaction <> pg_current_xact_id() OR line.hour >= statement.ends
       OR mod(extract(epoch FROM line.hour), 3600) <> 0
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME,
            CONSTRAINT = CASE WHEN bad.joins THEN 'statement_is_complete' ELSE 'statement_line_hour' END,
            MESSAGE = CASE WHEN bad.joins THEN 'a line joins a statement that was imported before'
                ELSE format('line %s tells of no whole hour before the end of the statement', bad.number) END;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER statement_line_guard AFTER INSERT ON conversion_statementline
    REFERENCING NEW TABLE AS new_lines FOR EACH STATEMENT EXECUTE FUNCTION statement_line_guard();

-- Ours in a statement's period: conversions of the runs of its hours, whose fee is owed to its provider. (A conversion
-- is a fact; that its win was voided later takes nothing back from the provider.)
--
-- A line is matched by the reference that we gave: the id of the conversion. One that was told before, in this statement
-- or in an earlier one, is doubled, whatever else it says. What the provider told of earlier is not missing there.
CREATE FUNCTION statement_differences(wanted uuid)
RETURNS TABLE (kind text, line_id uuid, conversion_id uuid, fee_effect numeric)
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    WITH statement AS (SELECT * FROM conversion_providerstatement WHERE id = wanted),
    line AS MATERIALIZED (
        SELECT line.*,
               CASE WHEN line.reference ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN line.reference::uuid END
                   AS named,
               row_number() OVER (PARTITION BY line.reference ORDER BY line.number) > 1 OR EXISTS (
                   SELECT FROM conversion_statementline told
                   JOIN conversion_providerstatement earlier ON earlier.id = told.statement_id
                   WHERE told.reference = line.reference AND earlier.provider = statement.provider
                     AND earlier.imported_at < statement.imported_at) AS doubled
        FROM conversion_statementline line, statement WHERE line.statement_id = wanted
    ),
    ours AS MATERIALIZED (
        SELECT line.id AS line_id, conversion.entry_id, run.hour, conversion.tokens, conversion.usd, conversion.fee
        FROM line JOIN statement ON true
        JOIN conversion_conversion conversion ON conversion.entry_id = line.named
        JOIN conversion_conversionrun run ON run.id = conversion.run_id
        JOIN conversion_feerule rule ON rule.id = conversion.fee_rule_id AND rule.provider = statement.provider
    )
    SELECT found.kind, line.id, ours.entry_id, found.effect
    FROM line LEFT JOIN ours ON ours.line_id = line.id
    CROSS JOIN LATERAL (
        SELECT 'doubled' AS kind, line.fee AS effect WHERE line.doubled
        UNION ALL SELECT 'missing-here', line.fee WHERE NOT line.doubled AND ours.entry_id IS NULL
        UNION ALL SELECT 'amount-differs', 0 WHERE NOT line.doubled AND (line.tokens, line.usd) <> (ours.tokens, ours.usd)
        UNION ALL SELECT 'fee-differs', line.fee - ours.fee WHERE NOT line.doubled AND line.fee <> ours.fee
        UNION ALL SELECT 'hour-differs', 0 WHERE NOT line.doubled AND line.hour <> ours.hour
    ) found
    UNION ALL
    SELECT 'missing-there', NULL, conversion.entry_id, -conversion.fee
    FROM statement
    JOIN conversion_conversionrun run ON run.hour >= statement.starts AND run.hour < statement.ends
    JOIN conversion_conversion conversion ON conversion.run_id = run.id
    JOIN conversion_feerule rule ON rule.id = conversion.fee_rule_id AND rule.provider = statement.provider
    WHERE NOT EXISTS (
        SELECT FROM conversion_statementline told
        JOIN conversion_providerstatement other ON other.id = told.statement_id
        WHERE told.reference = conversion.entry_id::text AND other.provider = statement.provider
          AND other.imported_at <= statement.imported_at)
$$;

-- Before a statement is committed, whoever imports it and by whatever road: its lines are as many and as much as it says,
-- and its differences stand beside it.
CREATE FUNCTION statement_is_matched() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    found record;
BEGIN
    SELECT count(*) AS lines, coalesce(sum(tokens), 0) AS tokens, coalesce(sum(usd), 0) AS usd, coalesce(sum(fee), 0) AS fees
    INTO found FROM conversion_statementline WHERE statement_id = NEW.id;
    IF (found.lines, found.tokens, found.usd, found.fees) <> (NEW.lines, NEW.tokens, NEW.usd, NEW.fees) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'statement_equals_its_lines', TABLE = TG_TABLE_NAME,
            MESSAGE = format('the statement says %s lines, %s DREAM, %s USD, %s USD of fees; its lines are %s, %s, %s, %s',
                             NEW.lines, NEW.tokens, NEW.usd, NEW.fees, found.lines, found.tokens, found.usd, found.fees);
    END IF;
    INSERT INTO conversion_difference (statement_id, kind, line_id, conversion_id, fee_effect)
    SELECT NEW.id, difference.kind, difference.line_id, difference.conversion_id, difference.fee_effect
    FROM statement_differences(NEW.id) AS difference
    LEFT JOIN conversion_statementline line ON line.id = difference.line_id
    ORDER BY line.number, difference.kind, difference.conversion_id;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER statement_is_matched AFTER INSERT ON conversion_providerstatement
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION statement_is_matched();
