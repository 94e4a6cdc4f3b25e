"""What an hour wrote, as figures that the region and the centre work out by the same text of SQL.

For each table of the contract whose rows stand behind journal entries: how many rows of the hour, and a digest of their
digested columns; for each account what the hour debited and credited. Order does not matter, nor does a time zone.
"""

from dreamland.world.contract import Publication, Table

# By type: a text that says the same on every machine.
SAME_EVERYWHERE = {
    "numeric": "trim_scale({0})",
    "timestamp with time zone": "(extract(epoch FROM {0}) * 1000000)::bigint",
    "date": "{0} - date '2000-01-01'",
}


def _row(table: Table) -> str:
    """All digested columns of a row as one text that can be read in one way only."""
    columns = [
        SAME_EVERYWHERE.get(kind, "{0}").format(f"fact.{column}")
        for column, kind in table.columns.items()
        if column not in table.undigested
    ]
    return f"ROW({', '.join(columns)})::text"


def _counted(table: Table, *, central: bool) -> str:
    """(name, {"rows": .., "digest": ..}) of a table: SHA-256 of each row, halves XORed over the rows."""
    where = f"fact.{table.entry} = entry.id"
    if central:
        where += " AND fact.region = of_region"
    elif table.name == "ledger_posting":  # its index begins with the holder
        where += " AND fact.holder = entry.holder"
    halves = " || ".join(
        f"lpad(to_hex(bit_xor(('x' || substr(digest, {start}, 16))::bit(64)::bigint)), 16, '0')" for start in (1, 17)
    )
    return f"""
    SELECT '{table.name}', jsonb_build_object('rows', count(*), 'digest', coalesce({halves}, ''))
    FROM (SELECT encode(sha256(convert_to({_row(table)}, 'UTF8')), 'hex') AS digest
          FROM entry JOIN {table.name} fact ON {where}) AS digested"""


def hour_totals(publication: Publication, *, central: bool) -> str:
    """The statement that makes `hour_totals(starts, ends)` in a region; at the centre it takes the region first."""
    of_region = "of_region text, " if central else ""
    only = "region = of_region AND " if central else ""
    join = (
        "posting.region = of_region AND posting.entry_id = entry.id"
        if central
        else "posting.holder = entry.holder AND posting.entry_id = entry.id"
    )
    parts = "\n    UNION ALL".join(_counted(table, central=central) for table in publication.tables if table.entry)
    return f"""
CREATE OR REPLACE FUNCTION hour_totals({of_region}starts timestamptz, ends timestamptz) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
WITH entry AS MATERIALIZED (
    SELECT {"id" if central else "id, holder"} FROM ledger_journalentry
    WHERE {only}posted_at >= starts AND posted_at < ends
), counted (name, figures) AS ({parts}
    UNION ALL
    SELECT account, jsonb_build_object('debits', trim_scale(sum(debit))::text, 'credits', trim_scale(sum(credit))::text)
    FROM (
        SELECT side.account, side.debit, side.credit
        FROM entry JOIN ledger_posting posting ON {join}
        CROSS JOIN LATERAL (VALUES (posting.debit_id, posting.amount, 0), (posting.credit_id, 0, posting.amount))
            AS side (account, debit, credit)
    ) AS sides
    GROUP BY account
)
SELECT jsonb_object_agg(name, figures) FROM counted
$$"""
