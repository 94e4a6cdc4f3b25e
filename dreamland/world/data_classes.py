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

# What an export tells of a player, and what stays when he is erased (dreamland.lib.portability).
NAMED = "reference = (SELECT reference FROM world_playerreference WHERE player_id = %(player)s)"
OF_PLAYER = {
    "world_playerreference": "player_id = %(player)s",
    "world_activity": NAMED,
    "world_move": "player_id = %(player)s",
    "world_transfer": "transfer IN (SELECT id FROM world_move WHERE player_id = %(player)s)"
    " OR entry_id IN (SELECT id FROM ledger_journalentry WHERE holder = %(player)s)",
}
LEFT_OUT = {"a member of staff": "world_move.begun_by_id"}
KEPT = {"nothing: it is there only while somebody is on the way, and nobody is erased then": "world_move.luggage"}
