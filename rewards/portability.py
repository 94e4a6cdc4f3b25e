"""What is known about a player, all of it, as one JSON document (GDPR Art. 15 and 20; docs/privacy.md, "Rights")."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import TextIO
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from dreamland.lib.portability import left_out, portable, rows_about
from dreamland.lib.trail.looks import Viewer, record_look
from rewards.errors import PlayerNotFound
from rewards.profiles import read_profile
from rewards.selectors import player_and_region

FORM = "dreamland-player-export/1"


def export_player(*, player_id: UUID, viewer: Viewer, reason: str, to: TextIO, now: datetime) -> None:
    """Writes everything that is keyed to the player, the profile in clear, as JSON; records first who asked and why.

    One snapshot of the database, row by row: amounts are decimal strings, instants are RFC 3339 in UTC. What is left
    out is named with the reason. Raises PlayerNotFound, ReasonMissing, ReasonTooLong, KeysUnavailable: then nothing
    was written to `to`.
    """
    if player_and_region(player_id) is None:
        raise PlayerNotFound("there is no such player")
    with transaction.atomic(durable=True):
        record_look(viewer=viewer, subject=player_id, what="everything", reason=reason)
    profile = read_profile(player_id)
    head = {
        "form": FORM,
        "player": str(player_id),
        "region": settings.REGION,
        "written_at": portable(now),
        "profile": None if profile is None else asdict(profile),
        "left_out": left_out(),
    }
    to.write(json.dumps(head, ensure_ascii=False, indent=1).removesuffix("\n}"))
    to.write(',\n "tables": {')
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        between = "\n"
        for table, rows in rows_about(player_id):
            to.write(f"{between}  {json.dumps(table)}: [")
            between, comma = ",\n", ""
            for row in rows:
                to.write(f"{comma}\n   {json.dumps(row, ensure_ascii=False)}")
                comma = ","
            to.write("]")
    to.write("\n }\n}\n")
