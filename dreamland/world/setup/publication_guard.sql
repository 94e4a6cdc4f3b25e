-- Where something is published, it is what the contract says (dreamland/world/contract.py) or nothing: whoever makes or
-- changes a publication, also an upgrade tool with all rights, is held to these rows.
CREATE TABLE IF NOT EXISTS publication_contract (
    publication text NOT NULL,
    operations text NOT NULL,
    table_name text NOT NULL,
    column_name text NOT NULL,
    PRIMARY KEY (publication, table_name, column_name)
);

CREATE OR REPLACE FUNCTION publication_guard() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    bad text;
BEGIN
    SELECT string_agg(pubname, ', ' ORDER BY pubname) INTO bad FROM pg_publication made
    WHERE puballtables OR EXISTS (SELECT FROM pg_publication_namespace whole WHERE whole.pnpubid = made.oid);
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'publication_names_its_columns',
            MESSAGE = format('publication %s would publish whole schemas; name tables and columns', bad);
    END IF;

    SELECT string_agg(made.pubname, ', ' ORDER BY made.pubname) INTO bad FROM pg_publication made
    WHERE made.pubtruncate OR made.pubdelete
       OR made.pubupdate AND NOT EXISTS (
           SELECT FROM publication_contract allowed
           WHERE allowed.publication = made.pubname AND allowed.operations = 'insert, update');
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'publication_only_tells_what_arrives',
            MESSAGE = format('publication %s would publish more than the contract''s operations', bad);
    END IF;

    SELECT string_agg(format('%s.%s', given.tablename, name), ', ' ORDER BY given.tablename, name) INTO bad
    FROM pg_publication_tables given, unnest(given.attnames) AS name
    WHERE NOT EXISTS (
        SELECT FROM publication_contract allowed
        WHERE (allowed.publication, allowed.table_name, allowed.column_name)
            = (given.pubname::text, given.tablename::text, name::text)
          AND given.schemaname = 'public');
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation', CONSTRAINT = 'publication_follows_contract',
            MESSAGE = format('%s is not in the contract and would leave this cell', bad);
    END IF;
END $$;

DROP EVENT TRIGGER IF EXISTS publication_guard;
CREATE EVENT TRIGGER publication_guard ON ddl_command_end
    WHEN TAG IN ('CREATE PUBLICATION', 'ALTER PUBLICATION', 'ALTER TABLE', 'CREATE TABLE', 'ALTER SCHEMA')
    EXECUTE FUNCTION publication_guard();
