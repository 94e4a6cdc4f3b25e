"""Who may do what in the back-office: five groups, and exactly these permissions of each.

`manage.py migrate` makes the groups so (dreamland.staff.granting); what somebody else gave them is taken away. Rights
that none of them has, like those over people and their rights, are a superuser's.
"""

from collections.abc import Mapping

VIEWER, OPERATOR, APPROVER = "Finance viewer", "Finance operator", "Finance approver"
SUPPORT, ENGINEER = "Support", "Engineer"

BOOKS = frozenset({"ledger.view_account", "ledger.view_journalentry", "ledger.view_posting", "ledger.view_periodclose"})
FEES = frozenset({"conversion.view_feerule", "conversion.view_feesettlement"})
RATES = frozenset(
    {
        "conversion.view_rate",
        "conversion.view_rateproposal",
        "conversion.view_ratedecision",
        "conversion.view_providerhealth",
    }
)
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
SCHEDULE = frozenset(
    f"django_celery_beat.view_{name}"
    for name in ("periodictask", "crontabschedule", "intervalschedule", "clockedschedule", "solarschedule")
)
# What no group has: given to single people, for a reason.
SINGLE = frozenset({"staff.reset_second_factor", "trail.view_look", "staff.view_signin", "staff.view_factorreset"})
FINANCE = BOOKS | FEES | RATES | RUNS | PLAYERS | GAMES

ROLES: Mapping[str, frozenset[str]] = {
    VIEWER: FINANCE,
    OPERATOR: FINANCE,
    APPROVER: FINANCE | {"trail.view_change"},
    SUPPORT: PLAYERS | GAMES,
    ENGINEER: RATES | RUNS | GAMES | KEYS | SCHEDULE,
}
