"""What leaves a cell: the one place where it is written down. Roles, publications, the centre's tables, the guard in
the database, the digests of the hours and the table in docs/infrastructure.md all follow from here.

Facts only arrive: nothing is published but INSERT, so that no UPDATE, DELETE or TRUNCATE in a region can damage what
the centre has. What names a person (holder, player, reference, memo, reason, metadata) is not in any list.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Table:
    """The published columns of a table with their types, as PostgreSQL names them.

    `entry` is the column that names the journal entry behind a row: the row is counted in the hour of that entry. Of
    the other tables `time` says which hour a row is from.
    `undigested`: columns that came after the first closed hour, which no digest covers. `rows`: which of them leave.
    """

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, str]
    entry: str = ""
    time: str = ""
    undigested: frozenset[str] = frozenset()
    rows: str = ""
    nullable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Publication:
    """Some tables, and what of their life is told: "insert", or "insert, update" for lists that may be corrected."""

    name: str
    operations: str
    tables: tuple[Table, ...] = field(repr=False)

    def table(self, name: str) -> Table:
        return next(table for table in self.tables if table.name == name)


AMOUNT, TIME, ID = "numeric", "timestamp with time zone", "uuid"

FACTS = Publication(
    "facts",
    "insert",
    (
        Table(
            "ledger_journalentry",
            ("id",),
            {"id": ID, "kind": "text", "posted_at": TIME, "reverses_id": ID},
            entry="id",
            nullable=frozenset({"reverses_id"}),
        ),
        Table(
            "ledger_posting",
            ("id",),
            {"id": ID, "entry_id": ID, "debit_id": "text", "credit_id": "text", "asset": "text", "amount": AMOUNT},
            entry="entry_id",
        ),
        Table(
            "rewards_win",
            ("entry_id",),
            {"entry_id": ID, "game_id": ID, "amount": AMOUNT, "forfeited": AMOUNT, "won_at": TIME, "recorded_at": TIME},
            entry="entry_id",
        ),
        Table("rewards_void", ("entry_id",), {"entry_id": ID, "win_id": ID, "voided_at": TIME}, entry="entry_id"),
        Table(
            "conversion_conversion",
            ("entry_id",),
            {
                "entry_id": ID,
                "run_id": ID,
                "hour": TIME,
                "day": "date",
                "rate_id": ID,
                "fee_rule_id": ID,
                "tokens": AMOUNT,
                "usd": AMOUNT,
                "fee": AMOUNT,
                "recovered": AMOUNT,
                "converted_at": TIME,
            },
            entry="entry_id",
        ),
        Table(
            "conversion_voidedconversion",
            ("entry_id",),
            {
                "entry_id": ID,
                "conversion_id": ID,
                "win_id": ID,
                "hour": TIME,
                "day": "date",
                "tokens": AMOUNT,
                "usd": AMOUNT,
                "owed": AMOUNT,
                "voided_at": TIME,
            },
            entry="entry_id",
        ),
        Table(
            "world_transfer",
            ("id",),
            {"id": ID, "transfer": ID, "direction": "text", "other_region": "text", "entry_id": ID, "at": TIME},
            time="at",
            nullable=frozenset({"entry_id"}),
        ),
        Table("conversion_conversionrun", ("id",), {"id": ID, "hour": TIME}, time="hour"),
        Table(
            "conversion_runtransition",
            ("id",),
            {"id": ID, "run_id": ID, "from_state": "text", "to_state": "text", "cause": "text", "at": TIME},
            time="at",
        ),
        Table(
            "world_activity",
            ("hour", "reference"),
            {"hour": TIME, "reference": ID, "wins": "integer", "tokens": AMOUNT, "usd": AMOUNT},
            time="hour",
        ),
        Table(
            "world_hourclose",
            ("number",),
            {
                "number": "bigint",
                "starts_at": TIME,
                "ends_at": TIME,
                "totals": "jsonb",
                "chain": "text",
                "closed_at": TIME,
            },
            time="starts_at",
        ),
        Table("world_beat", ("number",), {"number": "bigint", "beat_at": TIME}, time="beat_at"),
    ),
)

# From the centre to every region. Lists may be corrected; a rate and a fee rule never are.
REFERENCE = (
    Publication(
        "reference_lists",
        "insert, update",
        (
            Table(
                "ledger_account",
                ("code",),
                {
                    "code": "text",
                    "name": "text",
                    "asset": "text",
                    "kind": "text",
                    "normal_side": "text",
                    "held": "boolean",
                },
            ),
            Table(
                "rewards_game",
                ("id",),
                {
                    "id": ID,
                    "slug": "character varying(64)",
                    "name": "character varying(200)",
                    "over_cap": "text",
                    "created_at": TIME,
                },
            ),
        ),
    ),
    Publication(
        "reference_facts",
        "insert",
        (
            Table(
                "conversion_feerule",
                ("id",),
                {
                    "id": ID,
                    "effective_from": TIME,
                    "provider": "text",
                    "percentage": AMOUNT,
                    "fixed": AMOUNT,
                    "minimum": AMOUNT,
                    "created_at": TIME,
                },
            ),
            Table(
                "conversion_rate",
                ("id",),
                {
                    "id": ID,
                    "hour": TIME,
                    "base": "text",
                    "quote": "text",
                    "price": AMOUNT,
                    "provider": "text",
                    "quoted_at": TIME,
                    "fetched_at": TIME,
                    "state": "text",
                    "reason": "text",
                    "failed_before": "text",
                },
                # Who let a quarantined rate pass stays at the centre; a region needs the price.
                rows="state = 'accepted'",
            ),
        ),
    ),
)
