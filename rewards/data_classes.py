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
    "rewards_erasure": {PSEUDONYM: "player_id erased_by_id", OPERATIONAL: "erased_at basis retain_until"},
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
    "a law, from the settings": "rewards_erasure.basis",
}

# What an export tells of a player, and what stays when he is erased (dreamland.lib.portability).
OF_PLAYER = {
    "rewards_player": "id = %(player)s",
    **dict.fromkeys(
        ["rewards_allowance", "rewards_win", "rewards_void", "rewards_erasure", "rewards_profile", "rewards_playerkey"],
        "player_id = %(player)s",
    ),
}
LEFT_OUT = {
    "told as `profile`, opened": "rewards_profile.sealed rewards_profile.email_index rewards_profile.format",
    "a key": "rewards_playerkey.wrapped",
    "the name of somebody else's key": "rewards_win.key_id rewards_void.key_id",
    "a member of staff": "rewards_void.user_id rewards_erasure.erased_by_id",
}
KEPT = {
    "the cap of a day that was won on is proved by when it began and ended": "rewards_allowance.starts_at"
    " rewards_allowance.ends_at",
    "a game's own word for a win; an outbox that sends it again is answered by it": "rewards_win.reference",
    "why money was taken back is part of the books": "rewards_void.reason",
    "the minimum that the law asks for, sealed under a key of its own until its date": "rewards_profile.sealed"
    " rewards_playerkey.wrapped",
    "UTC, whatever it was": "rewards_player.timezone",
}
