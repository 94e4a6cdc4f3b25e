from django.apps import AppConfig


class RewardsConfig(AppConfig):
    name = "rewards"
    verbose_name = "Rewards"

    # What the app's database role may do here (`manage.py app_role`). Of a win only that it was converted is written; a
    # void marks its win by trigger. A row cannot be locked without UPDATE on some column: of an allowance it is `won`,
    # which a trigger keeps from any hand.
    privileges = {
        "rewards_game": ["SELECT", "INSERT", "UPDATE"],
        "rewards_gamekey": ["SELECT", "INSERT", "UPDATE (expires_at, revoked_at, last_used_at)"],
        "rewards_player": ["SELECT", "INSERT", "UPDATE"],
        "rewards_allowance": ["SELECT", "INSERT (player_id, day, starts_at, ends_at, cap)", "UPDATE (won)"],
        "rewards_win": ["SELECT", "INSERT", "UPDATE (converted_by_id)"],
        "rewards_void": ["SELECT", "INSERT"],
        # Whoever replaces or takes back a profile, or changes who wraps its key.
        "rewards_keyepoch": ["SELECT", "INSERT (name)", "UPDATE (destroyed_at)"],
        "rewards_playerkey": ["SELECT", "INSERT", "UPDATE (epoch_id, wrapped)", "DELETE"],
        "rewards_erasure": ["SELECT", "INSERT (player_id, erased_by_id, basis, retain_until)"],
        "rewards_profile": ["SELECT", "INSERT", "UPDATE (format, sealed, email_index, changed_at)", "DELETE"],
    }

    def ready(self) -> None:
        from dreamland.lib.pages import register_behind
        from rewards import (  # noqa: F401  (registers the checks of `verify_books`, and of the settings)
            checks,
            pages,
            tokens,
        )

        register_behind(pages.behind_entry)
        from dreamland.lib import tiles
        from rewards import tiles as rewards_tiles

        tiles.register_charts("rewards.view_allowance", rewards_tiles.charts)
        from ledger import book
        from rewards.selectors import is_player

        book.register_holder_check(is_player)
