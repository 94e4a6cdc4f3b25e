from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "ledger"
    verbose_name = "Books"

    # What the app's database role may do here (`manage.py app_role`). The journal only grows; the clock and the
    # transaction id of an entry are the database's; only the trigger writes balances. A row cannot be locked without
    # UPDATE on some column: of a balance it is `movement`, which a trigger keeps from any hand.
    privileges = {
        "ledger_account": ["SELECT"],
        "ledger_journalentry": [
            "SELECT",
            "INSERT (id, holder, kind, memo, posted_by_id, reverses_id, metadata)",
        ],
        "ledger_posting": ["SELECT", "INSERT"],
        "ledger_balance": ["SELECT", "UPDATE (movement)"],
        "ledger_periodclose": ["SELECT", "INSERT (ends_at, closed_by_id, request_id)"],
        # Days are counted and the journal is sealed by functions that run with the owner's rights.
        "ledger_closedday": ["SELECT"],
        "ledger_daytotal": ["SELECT"],
        "ledger_seal": ["SELECT"],
        "ledger_anchorhealth": ["SELECT", "INSERT", "UPDATE", "DELETE"],
        "ledger_verificationrun": ["SELECT", "INSERT"],
        # What is asked and decided only arrives; when it was, and in which transaction, the database says.
        "ledger_approvalrequest": [
            "SELECT",
            "INSERT (kind, subject, attempt, is_once, payload, plan, ground, reason_code, reference, note, asked_by_id,"
            " expires_at)",
        ],
        "ledger_approvaldecision": ["SELECT", "INSERT (request_id, asked_by_id, decided_by_id, verdict, word)"],
        "ledger_approvaloutcome": ["SELECT", "INSERT (request_id, entry_ids, result)"],
    }

    def ready(self) -> None:
        from dreamland.lib import tiles
        from ledger import approval_checks, checks  # noqa: F401  (register the checks of `verify_books`)
        from ledger import tiles as ledger_tiles

        tiles.register_tiles("ledger.view_account", ledger_tiles.tiles)
        tiles.register_charts("ledger.view_account", ledger_tiles.charts)
        from ledger.approvals import own  # noqa: F401  (registers the kinds of requests)
