-- What happened stays.
CREATE FUNCTION trail_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation', CONSTRAINT = TG_ARGV[0], TABLE = TG_TABLE_NAME, MESSAGE = TG_ARGV[1];
END $$;

CREATE TRIGGER change_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON trail_change
    FOR EACH STATEMENT
    EXECUTE FUNCTION trail_is_final('change_is_final', 'the record of a change is never changed or removed');

CREATE TRIGGER look_is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON trail_look
    FOR EACH STATEMENT
    EXECUTE FUNCTION trail_is_final('look_is_final', 'the record of a look is never changed or removed');

-- Inside the trigger on the table that changed the depth is 2.
CREATE TRIGGER change_follows_row BEFORE INSERT ON trail_change
    FOR EACH STATEMENT WHEN (pg_trigger_depth() < 1)
    EXECUTE FUNCTION trail_is_final('change_follows_row', 'a change is recorded by the row that changes');

-- On every table of configuration or rights, AFTER INSERT OR UPDATE OR DELETE (each row) and AFTER TRUNCATE:
-- trail_record_change(name of the key, columns whose values are kept from everybody, columns that move by themselves).
-- The columns are separated by spaces. An update of nothing but the last kind is no change.
--
-- `dreamland.user_id` and `dreamland.request_id` are settings of the transaction (SET LOCAL), made by the application.
CREATE FUNCTION trail_record_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    key text := coalesce(TG_ARGV[0], 'id');
    hidden text[] := string_to_array(TG_ARGV[1], ' ');
    restless text[] := string_to_array(TG_ARGV[2], ' ');
    before jsonb;
    after jsonb;
    before_shown jsonb;
    after_shown jsonb;
    field text;
    actor text := substring(current_setting('dreamland.user_id', true) FROM '^[0-9]{1,18}$');
BEGIN
    IF TG_OP IN ('UPDATE', 'DELETE') THEN
        before := to_jsonb(OLD) - coalesce(restless, '{}');
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        after := to_jsonb(NEW) - coalesce(restless, '{}');
    END IF;
    IF TG_OP = 'UPDATE' AND before = after THEN
        RETURN NULL;
    END IF;
    before_shown := before;
    after_shown := after;
    FOREACH field IN ARRAY coalesce(hidden, '{}') LOOP
        before_shown := before_shown || jsonb_build_object(field, 'hidden');
        after_shown := after_shown || jsonb_build_object(
            field, CASE WHEN before -> field IS DISTINCT FROM after -> field AND before IS NOT NULL
                        THEN 'hidden, another one' ELSE 'hidden' END);
    END LOOP;
    INSERT INTO trail_change (table_name, operation, row_id, old, new, user_id, username, by_role, request_id)
    VALUES (
        TG_TABLE_NAME, lower(TG_OP), coalesce(after ->> key, before ->> key, ''), before_shown, after_shown,
        actor::bigint, coalesce((SELECT username FROM auth_user WHERE id = actor::bigint), ''),
        session_user, coalesce(current_setting('dreamland.request_id', true), '')
    );
    RETURN NULL;
END $$;
