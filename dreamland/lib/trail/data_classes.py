"""What the columns of the audit trail are (dreamland.lib.data_map)."""

from dreamland.lib.data_map import DataClass, Table

PERSON, PSEUDONYM, OPERATIONAL, LEDGER = DataClass.PERSON, DataClass.PSEUDONYM, DataClass.OPERATIONAL, DataClass.LEDGER

TABLES: dict[str, Table] = {
    # Both sides of a change of configuration: of staff too.
    "trail_change": {
        PSEUDONYM: "user_id row_id",
        PERSON: "username old new",
        OPERATIONAL: "id at transaction table_name operation by_role request_id",
    },
    "trail_look": {
        PSEUDONYM: "user_id subject",
        PERSON: "username reason",
        OPERATIONAL: "id at what place request_id",
    },
}
NO_PERSON = {
    "a word that our code writes": "trail_change.table_name trail_change.operation trail_look.what trail_look.place",
    "a database role": "trail_change.by_role",
    "the name of a request": "trail_change.request_id trail_look.request_id",
}

# What an export tells of a player, and what stays when he is erased (dreamland.lib.portability).
OF_PLAYER = {"trail_look": "subject = %(player)s"}
LEFT_OUT = {
    "a member of staff": "trail_look.user_id trail_look.username",
    "the name of a request": "trail_look.request_id",
}
KEPT = {"who was shown what, and why, is answered for as long as it is kept": "trail_look.username trail_look.reason"}
OF_OTHERS = {"staff": "trail_change"}
