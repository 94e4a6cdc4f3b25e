"""Which games fill their players' days: a picture for the first page."""

from collections.abc import Iterator
from decimal import Decimal

from django.conf import settings
from django.db import connection
from django.urls import reverse

from dreamland.lib.tiles import Chart, Series

# Of the newest opened days those that are full, each counted for the game of its last win. Refused wins leave no row,
# so a game that refuses and one that clips are counted alike. Reads no more days than said, whatever the history.
FULL_DAYS = """
SELECT game.slug, count(*)
FROM (SELECT id, player_id, cap, won FROM rewards_allowance ORDER BY id DESC LIMIT %s) day
CROSS JOIN LATERAL (
    SELECT win.game_id FROM rewards_win win
    WHERE win.player_id = day.player_id AND win.allowance_id = day.id AND win.voided_by_id IS NULL
    ORDER BY win.entry_id DESC LIMIT 1
) last
JOIN rewards_game game ON game.id = last.game_id
WHERE day.won = day.cap
GROUP BY game.slug ORDER BY count(*) DESC, game.slug LIMIT %s
"""
GAMES_DRAWN = 12


def charts() -> Iterator[Chart]:
    """Days that reached the cap, by the game whose win filled them."""
    with connection.cursor() as cursor:
        cursor.execute(FULL_DAYS, [settings.ADMIN_DAYS_SAMPLED, GAMES_DRAWN])
        rows = cursor.fetchall()
    yield Chart(
        "Cap hits by game",
        "bar",
        [slug for slug, _ in rows],
        [Series("Full days", [Decimal(count) for _, count in rows], "third")],
        reverse("admin:rewards_allowance_changelist"),
        note=f"Full ones of the newest {settings.ADMIN_DAYS_SAMPLED:,} player days, by the game that filled them.",
        empty="No player reached the cap of a day.",
        order=40,
    )
