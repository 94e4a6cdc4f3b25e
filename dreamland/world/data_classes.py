"""What the columns between regions and centre are (dreamland.lib.data_map)."""

from dreamland.lib.data_map import DataClass, Table

PERSON, PSEUDONYM, OPERATIONAL, LEDGER = DataClass.PERSON, DataClass.PSEUDONYM, DataClass.OPERATIONAL, DataClass.LEDGER

TABLES: dict[str, Table] = {
    "world_activity": {PSEUDONYM: "reference", LEDGER: "hour wins tokens usd"},
    "world_beat": {OPERATIONAL: "number beat_at"},
    "world_hourclose": {LEDGER: "number starts_at ends_at totals chain closed_at"},
    "world_hourfence": {OPERATIONAL: "starts_at ends_at fence"},
    "world_move": {PSEUDONYM: "player_id begun_by_id", PERSON: "luggage", OPERATIONAL: "id region state begun_at"},
    "world_playerreference": {PSEUDONYM: "player_id reference"},
    "world_transfer": {LEDGER: "id transfer direction other_region at entry_id"},
}
NO_PERSON = {
    "control totals": "world_hourclose.totals",
    "a digest": "world_hourclose.chain",
    "a region, or a word that our code writes": "world_move.region world_move.state world_transfer.other_region",
}
