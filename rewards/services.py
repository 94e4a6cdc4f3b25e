"""What changes games and players. One use case, one transaction each; wins stand in `rewards.recording`."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from dreamland.lib.errors import DomainError, named_refusals
from dreamland.lib.races import try_again
from rewards.claims import Claim, Recorded, Refused, status_refusal
from rewards.days import zone
from rewards.errors import LOST_PROFILE_RACES, GameNotFound, InvalidPlayer
from rewards.models import Game, OverCap, Player
from rewards.profile_values import ProfileFacts, profile_of
from rewards.profiles import Stored, opened, remove_profile, sealed_draft, stored_of, write_profile
from rewards.recording import record_wins
from rewards.selectors import PlayerFacts, player_and_region

__all__ = [
    "Claim",
    "Leave",
    "Recorded",
    "Refused",
    "Registration",
    "create_game",
    "record_wins",
    "register_player",
    "set_game_policy",
]


@dataclass(frozen=True, slots=True)
class Registration:
    """A player as he stands now; `created` tells whether this call registered him."""

    player: PlayerFacts
    created: bool


REGISTER = """
INSERT INTO rewards_player AS player (id, timezone, status) VALUES (%s, %s, %s)
ON CONFLICT (id) DO UPDATE SET timezone = excluded.timezone
RETURNING WITH (OLD AS before)
    player.id, player.timezone, player.status, player.created_at, player.region, before.id IS NULL
"""
PLAYER_REFUSALS: dict[str, type[DomainError]] = {"player_is_not_house": InvalidPlayer}


class Leave(Enum):
    """A profile that is not spoken of stays as it is; None removes it."""

    AS_IT_IS = "as it is"


def register_player(
    *, player_id: UUID, timezone: str, profile: Mapping[str, Any] | None | Leave = Leave.AS_IT_IS
) -> Registration:
    """Registers a player under the identity service's id, or changes the time zone and the profile, both or neither.

    The same call twice does it once, and the second writes nothing. A new time zone counts from the next day that is
    opened. A profile replaces the one before as a whole; of two at once, one is the last.

    Raises InvalidTimezone, InvalidProfile, InvalidPlayer, PlayerClosed, PlayerMoving, PlayerElsewhere, and Unavailable
    where the keys cannot be asked.
    """
    zone(timezone)
    wanted = profile_of(dict(profile)) if isinstance(profile, Mapping) else profile
    return try_again(lambda: _register(player_id, timezone, wanted), lost_races=LOST_PROFILE_RACES)


def _register(player_id: UUID, timezone: str, wanted: ProfileFacts | None | Leave) -> Registration:
    """One attempt: read, seal outside the transaction, write under the lock of the player's row."""
    known, region = player_and_region(player_id) or (None, "")
    if known is not None:
        _refuse_barred(known, region)
    stored = stored_of(player_id) if known and wanted is not Leave.AS_IT_IS else Stored()
    says_the_same = wanted is Leave.AS_IT_IS or _stands(player_id, stored, wanted)
    if known is not None and known.timezone == timezone and says_the_same:
        return Registration(known, created=False)
    draft = sealed_draft(player_id, wanted, stored) if isinstance(wanted, ProfileFacts) and not says_the_same else None
    with transaction.atomic(durable=True), named_refusals(PLAYER_REFUSALS), connection.cursor() as cursor:
        cursor.execute(REGISTER, [player_id, timezone, Player.Status.ACTIVE])
        *facts, region, created = cursor.fetchone()
        player = PlayerFacts(*facts)
        _refuse_barred(player, region)
        if draft is not None:
            write_profile(player_id, draft)
        elif wanted is None:
            remove_profile(player_id)
    return Registration(player, created)


def _refuse_barred(player: PlayerFacts, region: str) -> None:
    """A suspended player may still change the time zone and the profile; who is closed or elsewhere may not."""
    if player.status != Player.Status.SUSPENDED and (barred := status_refusal(player.status, region)):
        raise barred


def _stands(player_id: UUID, stored: Stored, wanted: ProfileFacts | None) -> bool:
    """Whether what is stored says just that. What nobody can read any more is not nothing: it is removed."""
    return stored.key is None if wanted is None else opened(player_id, stored) == wanted


def create_game(*, slug: str, name: str, over_cap: OverCap = OverCap.REJECT) -> Game:
    """The game of that slug, made with `name` and `over_cap` where there is none yet."""
    game, _ = Game.objects.get_or_create(slug=slug, defaults={"name": name, "over_cap": over_cap})
    return game


def set_game_policy(*, slug: str, over_cap: OverCap) -> Game:
    """Says what becomes of this game's wins over the cap, from the next one on; wins that stand stay as they are.

    Raises GameNotFound.
    """
    if not Game.objects.filter(slug=slug).update(over_cap=over_cap):
        raise GameNotFound(f"there is no game {slug!r}")
    return Game.objects.get(slug=slug)
