DROP TRIGGER rate_is_final ON conversion_rate;
ALTER TABLE conversion_rate
    DROP CONSTRAINT rate_hour_is_whole,
    DROP CONSTRAINT rate_decides_exists,
    DROP CONSTRAINT rate_decided_by_exists;
