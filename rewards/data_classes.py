"""What the columns of players and wins are (dreamland.lib.data_map)."""

from dreamland.lib.data_map import DataClass, Table

PERSON, PSEUDONYM, OPERATIONAL = DataClass.PERSON, DataClass.PSEUDONYM, DataClass.OPERATIONAL
LEDGER, REFERENCE = DataClass.LEDGER, DataClass.REFERENCE

TABLES: dict[str, Table] = {
    "rewards_game": {REFERENCE: "id slug name over_cap created_at"},
    "rewards_gamekey": {OPERATIONAL: "id game_id secret_sha256 scopes created_at expires_at revoked_at last_used_at"},
    # A time zone says about where somebody lives.
    "rewards_player": {PSEUDONYM: "id", PERSON: "timezone", OPERATIONAL: "status region created_at"},
    "rewards_keyepoch": {OPERATIONAL: "name first_used_at destroyed_at"},
    "rewards_playerkey": {PSEUDONYM: "player_id", PERSON: "wrapped", OPERATIONAL: "epoch_id"},
    "rewards_profile": {
        PSEUDONYM: "player_id email_index",
        PERSON: "sealed",
        OPERATIONAL: "format changed_at",
    },
    "rewards_allowance": {PSEUDONYM: "player_id", PERSON: "starts_at ends_at", LEDGER: "id day cap won carried"},
    "rewards_win": {
        PSEUDONYM: "player_id",
        # A game's own word: it may have put anything there.
        PERSON: "reference",
        LEDGER: "entry_id game_id amount forfeited won_at recorded_at allowance_id converted_by_id voided_by_id",
        OPERATIONAL: "key_id",
    },
    "rewards_void": {
        PSEUDONYM: "player_id user_id",
        PERSON: "reason",
        LEDGER: "entry_id win_id voided_at",
        OPERATIONAL: "key_id",
    },
}
NO_PERSON = {
    "the title of a game": "rewards_game.name rewards_game.slug",
    "random, or a digest of something random": "rewards_gamekey.id rewards_gamekey.secret_sha256 rewards_win.key_id",
    "the name of a region": "rewards_player.region",
    "the name of a key": "rewards_keyepoch.name",
}
