ALTER TABLE conversion_runtransition
    -- A foreign key that holds at once (not deferred to COMMIT).
    ADD CONSTRAINT run_transition_run_exists FOREIGN KEY (run_id) REFERENCES conversion_conversionrun (id);

-- Runs from before there were records begin their lives here.
INSERT INTO conversion_runtransition (run_id, from_state, to_state, cause, by_role)
SELECT id, '', state, 'before-records', session_user FROM conversion_conversionrun;

CREATE TRIGGER run_transition_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON conversion_runtransition
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('run_transition_is_final', 'how a run came to its state is never changed or removed');

-- Inside the trigger on the run the depth is 2.
CREATE TRIGGER run_transition_follows_run BEFORE INSERT ON conversion_runtransition
    FOR EACH STATEMENT WHEN (pg_trigger_depth() < 1)
    EXECUTE FUNCTION refuse('run_transition_follows_run', 'a transition is recorded by the run that moves');

-- The life of a run: no step but these, and none without its record, by whatever road it comes.
-- (After the row is written, so that the CHECKs of the table speak first.)
CREATE FUNCTION run_moves() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    old_state text := '';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        old_state := OLD.state;
    END IF;
    IF (old_state, NEW.state) NOT IN (
        ('', 'due'), ('due', 'running'), ('awaiting_rate', 'running'), ('rate_quarantined', 'running'),
        ('running', 'running'), ('running', 'awaiting_rate'), ('running', 'rate_quarantined'), ('running', 'done')
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'run_transition_legal', TABLE = TG_TABLE_NAME,
            MESSAGE = format('a run does not go from %L to %L', old_state, NEW.state);
    END IF;
    INSERT INTO conversion_runtransition (run_id, from_state, to_state, cause, by_role)
    VALUES (NEW.id, old_state, NEW.state, CASE
        WHEN NEW.reason <> '' THEN NEW.reason
        WHEN NEW.state = 'due' THEN 'opened'
        WHEN NEW.state = 'done' THEN 'converted'
        WHEN NEW.state = 'running' THEN CASE old_state WHEN 'running' THEN 'resumed' ELSE 'begun' END
        ELSE 'unsaid' END, session_user);
    RETURN NULL;
END $$;

CREATE TRIGGER run_moves AFTER INSERT OR UPDATE OF state, reason, started_at, finished_at ON conversion_conversionrun
    FOR EACH ROW EXECUTE FUNCTION run_moves();
