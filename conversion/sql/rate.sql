ALTER TABLE conversion_rate
    ADD CONSTRAINT rate_hour_is_whole CHECK (date_trunc('hour', hour, 'UTC') = hour),
    -- Foreign keys that hold at once (not deferred to COMMIT).
    ADD CONSTRAINT rate_decides_exists FOREIGN KEY (decides_id) REFERENCES conversion_rate (id),
    ADD CONSTRAINT rate_decided_by_exists FOREIGN KEY (decided_by_id) REFERENCES auth_user (id);

-- Rates only arrive: conversions stand on them.
CREATE TRIGGER rate_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON conversion_rate
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('rate_is_final', 'a rate is never changed or removed');
