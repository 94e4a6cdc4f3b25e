from django.apps import AppConfig

# From a row to the requests about it: the kind, the field of its payload that is the row's key, and whether its player
# is named too.
DOORS: dict[str, list[tuple[str, str] | tuple[str, str, bool]]] = {
    "ledger.JournalEntry": [("reversal", "entry", True), ("adjustment", "corrects", True)],
    "ledger.PeriodClose": [("reopening", "")],
    "rewards.Win": [("void-of-many", "win")],
    "rewards.Player": [("adjustment", "player"), ("void-of-many", "player")],
    "conversion.Rate": [("quarantined-rate", "rate")],
    "conversion.FeeRule": [("fee-rule", "")],
    "conversion.Difference": [("difference", "difference")],
}
# From a list to the request that would add a row to it.
LIST_DOORS = {
    "conversion.FeeRule": "fee-rule",
    "conversion.FeeSettlement": "fee-settlement",
}


class BackofficeConfig(AppConfig):
    name = "dreamland.backoffice"
    label = "backoffice"
    verbose_name = "Operations"

    # What the app's database role may do here (`manage.py app_role`).
    privileges = {
        "backoffice_export": ["SELECT", "INSERT", "UPDATE", "DELETE"],
        "backoffice_exportpart": ["SELECT", "INSERT", "DELETE"],
        "backoffice_taskfailure": ["SELECT", "INSERT", "DELETE"],
    }

    def ready(self) -> None:
        from dreamland.backoffice import doors, failures  # noqa: F401  (the latter hears of tasks that fail)
        from dreamland.lib.pages import register_doors, register_list_doors
        from dreamland.lib.tiles import register_tiles
        from ledger import approval_pages

        for label, about in DOORS.items():
            register_doors(label, approval_pages.doors_for(*(approval_pages.About(*each) for each in about)))
        register_doors("rewards.Game", doors.void_doors)
        for label, kind in LIST_DOORS.items():
            register_list_doors(label, approval_pages.list_doors_for(kind))
        register_tiles("ledger.view_approvalrequest", approval_pages.tiles)
