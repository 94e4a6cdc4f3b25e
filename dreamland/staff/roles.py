"""Who may do what in the back-office: five groups, and exactly these permissions of each.

`manage.py migrate` makes the groups so (dreamland.staff.granting); what somebody else gave them is taken away. Rights
that none of them has, like those over people and their rights, are a superuser's.
"""

from collections.abc import Mapping

VIEWER, OPERATOR, APPROVER = "Finance viewer", "Finance operator", "Finance approver"
SUPPORT, ENGINEER = "Support", "Engineer"

PROOF = frozenset({"ledger.view_verificationrun", "ledger.view_seal", "ledger.view_anchorhealth"})
BOOKS = PROOF | {
    f"ledger.view_{name}"
    for name in ("account", "journalentry", "posting", "periodclose", "closedday", "approvalrequest")
}
FEES = frozenset(
    {
        "conversion.view_feerule",
        "conversion.view_feesettlement",
        "conversion.view_providerstatement",
        "conversion.view_statementline",
        "conversion.view_difference",
        "conversion.view_differenceresolution",
    }
)
RATES = frozenset({"conversion.view_rate", "conversion.view_providerhealth"})
RUNS = frozenset({"conversion.view_conversionrun", "conversion.view_runtransition"})
# What a player did and got. Nothing personal is in it: a player is an id here.
PLAYERS = frozenset(
    {
        "rewards.view_player",
        "rewards.view_allowance",
        "rewards.view_win",
        "rewards.view_void",
        "conversion.view_conversion",
        "conversion.view_voidedconversion",
    }
)
GAMES = frozenset({"rewards.view_game"})
KEYS = frozenset({"rewards.view_gamekey"})
OPERATIONS = frozenset({"django_celery_beat.view_periodictask", "backoffice.view_taskfailure"})
# What no group has: given to single people, for a reason.
SINGLE = frozenset(
    {
        "staff.reset_second_factor",
        "trail.view_look",
        "staff.view_signin",
        "staff.view_factorreset",
        # The person behind a player: read, given out, erased.
        "rewards.view_profile",
        "rewards.export_player",
        "rewards.erase_player",
    }
)
FINANCE = BOOKS | FEES | RATES | RUNS | PLAYERS | GAMES


# What people do, and not only see: the services behind these know who did it, and PostgreSQL records it.
# A request is asked for by one group and decided by another; PostgreSQL refuses the same person (ledger.approvals).
REQUESTS = (
    "ledger.{}_adjustment",
    "ledger.{}_funding",
    "ledger.{}_reversal",
    "ledger.{}_reopening",
    "conversion.{}_fee_settlement",
    "conversion.{}_fee_rule",
    "conversion.{}_quarantined_rate",
    "conversion.{}_void_of_many",
    "conversion.{}_difference",
)
ASKS = frozenset(permission.format("ask") for permission in REQUESTS)
DECIDES = frozenset({"ledger.add_periodclose"} | {permission.format("decide") for permission in REQUESTS})
RUNS_IT = frozenset(
    {
        "conversion.change_conversionrun",
        "django_celery_beat.change_periodictask",
        "rewards.add_game",
        "rewards.change_game",
        "rewards.add_gamekey",
        "rewards.change_gamekey",
    }
)

ROLES: Mapping[str, frozenset[str]] = {
    VIEWER: FINANCE,
    OPERATOR: FINANCE | ASKS,
    APPROVER: FINANCE | DECIDES | {"trail.view_change"},
    SUPPORT: PLAYERS | GAMES,
    ENGINEER: PROOF | {"conversion.view_feerule"} | RATES | RUNS | GAMES | KEYS | OPERATIONS | RUNS_IT,
}
