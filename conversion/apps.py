from django.apps import AppConfig


class ConversionConfig(AppConfig):
    name = "conversion"
    verbose_name = "Conversion"

    # What the app's database role may do here (`manage.py app_role`). Rates, fee rules and conversions only arrive; of
    # a run everything but its hour moves until it is done.
    privileges = {
        "conversion_rate": [
            "SELECT",
            "INSERT (hour, price, provider, quoted_at, raw, state, reason, failed_before, decides_id, decided_by_id)",
        ],
        "conversion_feerule": ["SELECT", "INSERT"],
        "conversion_conversionrun": [
            "SELECT",
            "INSERT (hour)",
            "UPDATE (state, reason, waits_for, started_at, finished_at, conversions, tokens, usd, fees)",
        ],
        "conversion_conversion": ["SELECT", "INSERT"],
        "conversion_voidedconversion": ["SELECT", "INSERT"],
        "conversion_runtransition": ["SELECT"],  # the trigger on the run writes it
        "conversion_providerhealth": ["SELECT", "INSERT", "UPDATE"],
        "conversion_feesettlement": ["SELECT", "INSERT"],
        "conversion_providerstatement": [
            "SELECT",
            "INSERT (id, provider, reference, starts, ends, lines, tokens, usd, fees, digest, imported_by_id)",
        ],
        "conversion_statementline": ["SELECT", "INSERT (statement_id, number, reference, hour, tokens, usd, fee)"],
        "conversion_difference": ["SELECT"],  # the trigger on the statement writes it
        "conversion_differenceresolution": ["SELECT", "INSERT"],
    }

    def ready(self) -> None:
        from conversion import checks, control_checks, pages  # noqa: F401  (register the checks of `verify_books`)
        from conversion.reconciliation import checks as reconciliation_checks  # noqa: F401
        from dreamland.lib.pages import register_behind

        register_behind(pages.behind_entry)
        from conversion import tiles as conversion_tiles
        from dreamland.lib import tiles

        tiles.register_tiles("conversion.view_conversionrun", conversion_tiles.tiles)
        tiles.register_charts("conversion.view_conversionrun", conversion_tiles.charts)
        from conversion import kinds, void_kind  # noqa: F401  (register the kinds of requests)
        from conversion.reconciliation import kind  # noqa: F401
