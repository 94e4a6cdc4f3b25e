-- A rule holds from its instant until the next one begins, so there is no hole and no overlap to be written down; it
-- begins with an hour, so that an hour has one rule.
ALTER TABLE conversion_feerule
    ADD CONSTRAINT fee_rule_hour_is_whole CHECK (date_trunc('hour', effective_from, 'UTC') = effective_from);

-- The terms of an hour are settled when its rate is accepted: a rule begins after the last such hour. The lock keeps
-- new rates out until the rule commits; a conversion reads the rules after it has its rate (`conversion.rates`), so
-- none can miss the rule of its hour.
CREATE FUNCTION fee_rule_guard() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    LOCK TABLE conversion_rate IN SHARE ROW EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM conversion_rate WHERE state = 'accepted' AND hour >= NEW.effective_from) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'fee_rule_after_settled_hours', TABLE = TG_TABLE_NAME,
            MESSAGE = 'a fee rule begins after the last hour whose rate is accepted';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fee_rule_guard BEFORE INSERT ON conversion_feerule
    FOR EACH ROW EXECUTE FUNCTION fee_rule_guard();

-- `conversion.money.fee_of`, for whoever checks it.
CREATE FUNCTION conversion_fee(usd numeric, percentage numeric, fixed numeric, minimum numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN greatest(round_half_even(usd * percentage + fixed, 8), minimum);
