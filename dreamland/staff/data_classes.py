"""What the columns about signing in are (dreamland.lib.data_map)."""

from dreamland.lib.data_map import DataClass, Table

PERSON, PSEUDONYM, OPERATIONAL, LEDGER = DataClass.PERSON, DataClass.PSEUDONYM, DataClass.OPERATIONAL, DataClass.LEDGER

TABLES: dict[str, Table] = {
    "staff_factorreset": {PSEUDONYM: "by_id user_id", PERSON: "reason", OPERATIONAL: "id at"},
    "staff_signin": {PSEUDONYM: "user_id", PERSON: "username address", OPERATIONAL: "id at outcome request_id"},
    # A digest of a name or an address, which is easily guessed.
    "staff_signinattempts": {PERSON: "key", OPERATIONAL: "window_starts_at attempts"},
}
NO_PERSON = {"the name of a request": "staff_signin.request_id"}

OF_OTHERS = {"staff": "staff_factorreset staff_signin staff_signinattempts"}
