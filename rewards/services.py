"""What changes games and players. One use case, one transaction each; wins stand in `rewards.recording`."""

from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction

from dreamland.lib.errors import DomainError, named_refusals
from rewards.claims import Claim, Recorded, Refused, status_refusal
from rewards.days import zone
from rewards.errors import GameNotFound, InvalidPlayer
from rewards.models import Game, OverCap, Player
from rewards.recording import record_wins
from rewards.selectors import PlayerFacts

__all__ = [
    "Claim",
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


def register_player(*, player_id: UUID, timezone: str) -> Registration:
    """Registers a player under the identity service's id, or changes the time zone. The same call twice does it once.

    A new time zone counts from the next day that is opened. Raises InvalidTimezone, InvalidPlayer,
    PlayerClosed, PlayerMoving, PlayerElsewhere.
    """
    zone(timezone)
    with transaction.atomic(durable=True), named_refusals(PLAYER_REFUSALS), connection.cursor() as cursor:
        cursor.execute(REGISTER, [player_id, timezone, Player.Status.ACTIVE])
        *facts, region, created = cursor.fetchone()
        player = PlayerFacts(*facts)
        if player.status != Player.Status.SUSPENDED and (barred := status_refusal(player.status, region)):
            raise barred
    return Registration(player, created)


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
