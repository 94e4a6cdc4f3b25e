-- Reference data is the centre's: here only the apply worker writes it (its triggers do not fire, as
-- session_replication_role is `replica` for it). After the row, so that a migration's INSERT .. ON CONFLICT DO NOTHING
-- of a row that the centre has sent already passes.
CREATE OR REPLACE FUNCTION reference_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation', CONSTRAINT = 'reference_is_the_centres', TABLE = TG_TABLE_NAME,
        MESSAGE = format('%s is written at the centre and comes here by replication', TG_TABLE_NAME);
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['ledger_account', 'rewards_game', 'conversion_feerule', 'conversion_rate'] LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER reference_is_the_centres AFTER INSERT OR UPDATE OR DELETE ON %I'
                       ' FOR EACH ROW EXECUTE FUNCTION reference_guard()', name);
        EXECUTE format('CREATE OR REPLACE TRIGGER reference_stays BEFORE TRUNCATE ON %I'
                       ' FOR EACH STATEMENT EXECUTE FUNCTION reference_guard()', name);
    END LOOP;
END $$;
