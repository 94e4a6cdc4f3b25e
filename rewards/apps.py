from django.apps import AppConfig


class RewardsConfig(AppConfig):
    name = "rewards"
    verbose_name = "Rewards"

    # What the app's database role may do here (`manage.py app_role`). Of a win only its two endings are written. A row
    # cannot be locked without UPDATE on some column: of an allowance it is `won`, which a trigger keeps from any hand.
    privileges = {
        "rewards_game": ["SELECT", "INSERT", "UPDATE"],
        "rewards_gamekey": ["SELECT", "INSERT", "UPDATE"],
        "rewards_player": ["SELECT", "INSERT", "UPDATE"],
        "rewards_allowance": ["SELECT", "INSERT (player_id, day, starts_at, ends_at, cap)", "UPDATE (won)"],
        "rewards_win": ["SELECT", "INSERT", "UPDATE (converted_by_id, voided_by_id)"],
    }

    def ready(self) -> None:
        from rewards import checks  # noqa: F401  (registers the checks of `verify_books`)
