"""System checks of the regions' settings, and what `verify_books` proves about closed hours."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db import connection

from dreamland.world.travel import move_key
from ledger.book import Check, register_checks

NAME = r"[a-z]{2,8}"
CENTRE = "centre"


@register
def regions(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Names of regions can stand in names of roles and accounts, and each has its address."""
    found: list[CheckMessage] = []
    names = [settings.REGION, *settings.REGIONS] if settings.REGION else list(settings.REGIONS)
    if wrong := [name for name in names if not re.fullmatch(NAME, name)]:
        found.append(
            Error(f"{wrong[0]!r} names no region.", hint="2 to 8 letters from a to z, like 'eu'.", id="dreamland.E020")
        )
    if settings.REGION not in {"", CENTRE, *settings.REGIONS}:
        found.append(
            Error(
                f"REGION is {settings.REGION!r} and REGIONS does not know it.",
                hint='REGIONS names every region with its address: {"eu": "https://eu.dreamland.example"}.',
                id="dreamland.E021",
            )
        )
    scheme = r"https?://" if settings.INSECURE_HTTP else r"https://"
    if wrong := [name for name, url in settings.REGIONS.items() if not re.fullmatch(scheme + r"[^/?#\s]+", url)]:
        found.append(
            Error(
                f"REGIONS has no address for {wrong[0]!r}.",
                hint="An origin without a path: https://eu.dreamland.example.",
                id="dreamland.E022",
            )
        )
    try:
        move_key()
    except ValueError as error:
        found.append(
            Error(
                f"MOVE_KEY is no key: {error}.",
                hint="32 random bytes in Base64, the same in every region: openssl rand -base64 32.",
                id="dreamland.E023",
            )
        )
    return found


WRONG_HOURS = """
SELECT to_char(number, 'FM000000000000'),
       CASE WHEN number <> coalesce(before, 0) + 1 OR starts_at <> coalesce(ended_at, starts_at)
            THEN format('comes after hour %s', before)
            WHEN chain <> world_chain(coalesce(previous, ''), number, starts_at, ends_at, totals)
            THEN 'is not linked to the one before it'
            ELSE format('the hour from %s is not what was closed', starts_at) END
FROM (
    SELECT closed.*, lag(number) OVER in_order AS before, lag(ends_at) OVER in_order AS ended_at,
           lag(chain) OVER in_order AS previous
    FROM world_hourclose closed WINDOW in_order AS (ORDER BY number)
) closed
WHERE number <> coalesce(before, 0) + 1 OR starts_at <> coalesce(ended_at, starts_at)
   OR chain <> world_chain(coalesce(previous, ''), number, starts_at, ends_at, totals)
   OR totals <> hour_totals(starts_at, ends_at)
ORDER BY number
"""


def wrong_hours(_: None) -> Iterator[tuple[str, str]]:
    """Closed hours that the journal contradicts; nothing where no hour was ever closed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM world_hourclose)")
        if not cursor.fetchone()[0]:
            return
        cursor.execute(WRONG_HOURS)
        yield from cursor.fetchall()


register_checks(
    [
        Check(
            "closed-hours-equal-journal",
            "what the centre was told of an hour is what the journal holds, hour after hour without a gap",
            find=wrong_hours,
        )
    ]
)
