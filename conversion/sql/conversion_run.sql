ALTER TABLE conversion_conversionrun
    ADD CONSTRAINT run_hour_is_whole CHECK (date_trunc('hour', hour, 'UTC') = hour);

CREATE TRIGGER run_hour_is_fixed BEFORE UPDATE OF id, hour ON conversion_conversionrun
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('run_hour_is_fixed', 'a run keeps its hour');

CREATE TRIGGER run_done_is_final BEFORE UPDATE ON conversion_conversionrun
    FOR EACH ROW WHEN (OLD.state = 'done')
    EXECUTE FUNCTION refuse('run_done_is_final', 'a finished run stays as it is; later wins go to the next one');

CREATE TRIGGER run_stays BEFORE DELETE OR TRUNCATE ON conversion_conversionrun
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('run_stays', 'a run is never removed');
