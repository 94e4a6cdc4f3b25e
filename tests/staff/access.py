"""Who may open what in the back-office: every address, and every kind of person. A new address needs its row here.

V, O, A: Finance viewer, operator, approver. S: Support. E: Engineer. G: staff without a group. B: a superuser.
Strangers get nothing but the sign-in. What the letters do not name is refused.
"""

EVERYBODY, NOBODY, BOSS = "VOASEGB", "", "B"
FINANCE, PLAYERS, RATES, RUNS = "VOAB", "VOASB", "VOAEB", "VOAEB"

# Rows that are read and never written by hand: (list, page and history). Adding, changing and deleting is nobody's.
READ = {
    "ledger_account": FINANCE,
    "ledger_approvalrequest": FINANCE,
    "ledger_journalentry": FINANCE,
    "ledger_periodclose": FINANCE,
    "ledger_posting": FINANCE,
    "ledger_closedday": FINANCE,
    "ledger_seal": "VOAEB",
    "ledger_anchorhealth": "VOAEB",
    "ledger_verificationrun": "VOAEB",
    "backoffice_export": EVERYBODY,  # one's own
    "backoffice_taskfailure": "EB",
    "django_celery_beat_periodictask": "EB",
    "rewards_game": "VOASEB",
    "rewards_gamekey": "EB",
    "rewards_player": PLAYERS,
    "rewards_allowance": PLAYERS,
    "rewards_win": PLAYERS,
    "rewards_void": PLAYERS,
    "conversion_conversion": PLAYERS,
    "conversion_voidedconversion": PLAYERS,
    "conversion_feerule": "VOAEB",
    "conversion_feesettlement": FINANCE,
    "conversion_providerstatement": FINANCE,
    "conversion_statementline": FINANCE,
    "conversion_difference": FINANCE,
    "conversion_differenceresolution": FINANCE,
    "conversion_rate": RATES,
    "conversion_providerhealth": RATES,
    "conversion_conversionrun": RUNS,
    "conversion_runtransition": RUNS,
    "trail_change": "AB",
    "trail_look": BOSS,
    "staff_signin": BOSS,
    "staff_factorreset": BOSS,
}

# Rows that people write: who may read, and who may add, change and delete.
WRITE = {
    "auth_user": (BOSS, BOSS, BOSS, NOBODY),
    "auth_group": (BOSS, BOSS, BOSS, BOSS),
}

# Pages of their own.
PAGES = {
    "index": EVERYBODY,
    "my_sign_in": EVERYBODY,
    "password_change": EVERYBODY,
    "password_change_done": EVERYBODY,
    "second_factor_replace": EVERYBODY,
    "second_factor_codes": EVERYBODY,
    "jsi18n": EVERYBODY,
    "search": EVERYBODY,  # finds what the person may open
    "ledger_approvalrequest_waiting": FINANCE,
    "ledger_approvalrequest_kinds": FINANCE,
    "ledger_approvalrequest_ask": "OB",
    "ledger_approvalrequest_approve": "AB",
    "ledger_approvalrequest_refuse": "AB",
    "ledger_approvalrequest_withdraw": NOBODY,  # who asked; here that is somebody else
    "ledger_periodclose_close": "AB",
    "ledger_account_statement": FINANCE,
    "ledger_account_trialbalance": FINANCE,
    "rewards_player_statement": FINANCE,
    "rewards_player_person": BOSS,
    "rewards_player_export": BOSS,
    "rewards_player_erase": BOSS,
    "rewards_player_find": BOSS,
    "backoffice_export_new": FINANCE,  # of a list that the person may open; here: the accounts
    "backoffice_export_file": EVERYBODY,  # one's own
    "conversion_conversionrun_retry": "EB",
    "django_celery_beat_periodictask_switch": "EB",
    "rewards_game_new": "EB",
    "rewards_game_policy": "EB",
    "rewards_game_newkey": "EB",
    "rewards_gamekey_rotate": "EB",
    "rewards_gamekey_revoke": "EB",
    "auth_user_password_change": BOSS,
    "auth_user_reset_second_factor": BOSS,
}
# Pages that answer to strangers, and say nothing of Dreamland.
OPEN = {"login", "logout", "second_factor", "second_factor_enrol"}
# Pages that lead on to others, which ask again: by themselves they show nothing.
LEADS_ON = {"app_list", "view_on_site", "autocomplete"}

GROUPS = {
    "V": "Finance viewer",
    "O": "Finance operator",
    "A": "Finance approver",
    "S": "Support",
    "E": "Engineer",
}


def table() -> dict[tuple[str, str], str]:
    """(method, name of the address) to the letters of those who may."""
    rows: dict[tuple[str, str], str] = {("GET", name): who for name, who in PAGES.items()}
    for model, (read, add, change, delete) in {
        **WRITE,
        **{model: (read, NOBODY, NOBODY, NOBODY) for model, read in READ.items()},
    }.items():
        rows |= {("GET", f"{model}_{page}"): read for page in ("changelist", "change", "history")}
        rows |= {(method, f"{model}_add"): add for method in ("GET", "POST")}
        rows |= {(method, f"{model}_delete"): delete for method in ("GET", "POST")}
        rows["POST", f"{model}_change"] = change
    return rows
