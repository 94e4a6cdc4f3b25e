"""Players and wins over HTTP: validate, call, serialize."""

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from dreamland.lib.api.conditional import own_data
from dreamland.lib.api.describe import Described, page_of
from dreamland.lib.api.errors import InvalidCursor
from dreamland.lib.api.fields import shared
from dreamland.lib.api.pages import page, read_cursor, write_cursor
from dreamland.lib.api.problems import Problem, domain_problem, validation_problem
from dreamland.lib.api.views import ApiViewSet, read_body
from dreamland.lib.logs import note
from rewards import selectors, services
from rewards.auth import calling_game, calling_key, is_the_player, visible_game
from rewards.models import Scope
from rewards.profiles import own_profile
from rewards.selectors import WinFacts
from rewards.serializers import BatchIn, BatchOut, PlayerIn, PlayerOut, StatsOut, VoidIn, WinIn, WinOut, WinsQuery
from rewards.services import Claim, Recorded, Refused
from rewards.voiding import Author, Shares, TakenBack, void_win

RECORDING_PROBLEMS = [
    *("invalid-amount", "invalid-time", "won-at-in-future", "won-at-too-old", "daily-cap-exceeded"),
    *("player-not-found", "player-suspended", "player-closed", "reference-reused"),
    *("player-moving", "player-elsewhere", "misdirected"),
]
READING_PROBLEMS = ["player-not-found", "player-elsewhere", "misdirected"]


class WinsApiViewSet(ApiViewSet):
    """What answers with wins."""

    def conversions_of(self, _win_ids: Iterable[UUID]) -> Mapping[UUID, Any]:
        """What became of those of the wins that are converted. Conversions stand above this app, which has none."""
        return {}

    def win_shape(self, wins: Iterable[WinFacts]) -> WinOut:
        """The shape of these wins: one for all, since making a serializer costs more than using it."""
        converted = [win.id for win in wins if win.converted_by is not None]
        return WinOut(context={"conversions": self.conversions_of(converted)}) if converted else shared(WinOut)

    def rendered(self, wins: Sequence[WinFacts]) -> list[Any]:
        """The wins as callers see them."""
        shape = self.win_shape(wins)
        return [shape.to_representation(win) for win in wins]


class PlayerViewSet(WinsApiViewSet):
    """A player, and what a player won."""

    required_scopes: ClassVar[Mapping[str, str]] = {
        "register": Scope.PLAYERS_WRITE,
        "retrieve": Scope.PLAYERS_READ,
        "stats": Scope.PLAYERS_READ,
        "wins": Scope.WINS_READ,
    }
    open_to_players: ClassVar[Set[str]] = {"retrieve", "stats", "wins"}
    staff_permissions: ClassVar[Mapping[str, str]] = {
        "retrieve": "rewards.view_player",
        "stats": "rewards.view_player",
        "wins": "rewards.view_win",
    }
    query_serializers: ClassVar[Mapping[str, type[Serializer[Any]]]] = {"wins": WinsQuery}

    @Described(
        "registerPlayer",
        body=PlayerIn,
        answers={200: PlayerOut, 201: PlayerOut},
        headers={201: ["Location"]},
        problems=["player-closed", "player-moving", "player-elsewhere", "misdirected"],
        links={name: {"player_id": "$response.body#/id"} for name in ("getPlayer", "getStats", "listWins")},
    )
    def register(self, request: Request, player_id: UUID) -> Response:
        """PUT /v1/players/{player_id}: registers the player, or changes time zone and profile; 201 where new.

        The answer never holds the profile: games may write it, and only the player himself reads it back.
        """
        given = read_body(request, PlayerIn)
        registration = services.register_player(player_id=player_id, **given)
        body = PlayerOut(registration.player).data
        if not registration.created:
            return Response(body)
        return Response(body, status.HTTP_201_CREATED, headers={"Location": reverse("player", args=[player_id])})

    @Described("getPlayer", answers={200: PlayerOut}, problems=READING_PROBLEMS)
    def retrieve(self, request: Request, player_id: UUID) -> Response:
        """GET /v1/players/{player_id}: the player; to the player himself with his profile."""
        player = selectors.get_player(player_id)
        own = {"profile": own_profile(player)} if is_the_player(request, player_id) else {}
        return own_data(Response(PlayerOut(player, context=own).data))

    @Described("getStats", answers={200: StatsOut}, problems=READING_PROBLEMS)
    def stats(self, _request: Request, player_id: UUID) -> Response:
        """GET /v1/players/{player_id}/stats: the tokens of the player's day, and the wallet, as one snapshot."""
        return own_data(
            Response(shared(StatsOut).to_representation(selectors.stats(player_id, now=self.now))), volatile={"as_of"}
        )

    @Described(
        "listWins",
        answers={200: page_of(WinOut)},
        headers={200: ["Link"]},
        problems=[*READING_PROBLEMS, "invalid-time"],
    )
    def wins(self, request: Request, player_id: UUID) -> Response:
        """GET /v1/players/{player_id}/wins?day=today: the DREAM history of one of the player's days.

        The cursor remembers which day "today" was on the first page, so that midnight does not change the list.
        """
        limit, asked = self.parameters["limit"], self.parameters["day"]
        name = f"wins of {player_id}"
        position = read_cursor(self.parameters["cursor"], of=name)
        today = selectors.current_day(player_id, now=self.now).date  # raises PlayerNotFound
        day = asked or today
        if position is not None:
            began = date.fromisoformat(position[0])
            if asked not in {None, began}:
                raise InvalidCursor("this cursor was given out for another day")
            day = began
        after = None if position is None else UUID(position[1])
        rows = selectors.wins_of_day(player_id, day, after=after, limit=limit + 1)
        return own_data(
            page(
                request,
                rows,
                limit=limit,
                render=self.rendered,
                cursor_after=lambda win: write_cursor([day.isoformat(), str(win.id)], of=name),
            )
        )


class WinViewSet(WinsApiViewSet):
    """Wins, reported and read by the game that they were won in."""

    required_scopes: ClassVar[Mapping[str, str]] = {
        "create": Scope.WINS_WRITE,
        "batch": Scope.WINS_WRITE,
        "void": Scope.WINS_WRITE,
        "retrieve": Scope.WINS_READ,
    }
    staff_permissions: ClassVar[Mapping[str, str]] = {"retrieve": "rewards.view_win"}

    @property
    def body_limit_bytes(self) -> int:
        return int(settings.API_MAX_BATCH_BODY_BYTES) if self.action == "batch" else super().body_limit_bytes

    @Described(
        "recordWin",
        body=WinIn,
        answers={200: WinOut, 201: WinOut},
        headers={200: ["Idempotent-Replayed"], 201: ["Location"]},
        problems=RECORDING_PROBLEMS,
        links={name: {"win_id": "$response.body#/id"} for name in ("getWin", "voidWin")},
    )
    def create(self, request: Request) -> Response:
        """POST /v1/wins: records a win; 201 where new, 200 and `Idempotent-Replayed: true` where it stands already."""
        claim = Claim(**read_body(request, WinIn))
        note(player_id=claim.player_id)
        (outcome,) = self.record(request, [claim])
        if isinstance(outcome, Refused):
            raise outcome.error
        (body,) = self.rendered([outcome.win])
        if outcome.replayed:
            return Response(body, headers={"Idempotent-Replayed": "true"})
        return Response(body, status.HTTP_201_CREATED, headers={"Location": reverse("win", args=[outcome.win.id])})

    @Described("recordWins", body=BatchIn, answers={200: BatchOut})
    def batch(self, request: Request) -> Response:
        """POST /v1/wins/batch: records many wins. A result for each, in order, under one 200; a bad one is alone."""
        given: list[dict[str, Any] | ValidationError] = read_body(request, BatchIn)["wins"]
        claims = [Claim(**item) for item in given if not isinstance(item, ValidationError)]
        recorded = self.record(request, claims)
        shape = self.win_shape(outcome.win for outcome in recorded if isinstance(outcome, Recorded))
        outcomes = iter(recorded)
        return Response(
            {
                "results": [
                    _refused(validation_problem(item, request=request, root=f"/wins/{index}"))
                    if isinstance(item, ValidationError)
                    else _result(next(outcomes), shape, request)
                    for index, item in enumerate(given)
                ]
            }
        )

    def record(self, request: Request, claims: Sequence[Claim]) -> tuple[Recorded | Refused, ...]:
        """Records what the calling game claims, under the name of its key."""
        return services.record_wins(
            game_id=calling_game(request), key_id=calling_key(request), claims=claims, now=self.now
        )

    @Described(
        "voidWin",
        body=VoidIn,
        answers={200: WinOut},
        headers={200: ["Idempotent-Replayed"]},
        problems=["win-not-found", "already-voided"],
    )
    def void(self, request: Request, win_id: UUID) -> Response:
        """POST /v1/wins/{win_id}/void: takes a win of the calling game back; again, with the same reason, a replay."""
        reason = read_body(request, VoidIn)["reason"]
        voided = void_win(
            win_id=win_id,
            reason=reason,
            author=Author(key_id=calling_key(request)),
            take_back=self.take_back,
            game_id=calling_game(request),
        )
        (body,) = self.rendered([voided.win])
        return Response(body, headers={"Idempotent-Replayed": "true"} if voided.replayed else None)

    def take_back(self, _wins: Sequence[WinFacts], _shares: Shares) -> TakenBack:
        """What takes back that these wins were converted. Conversions stand above this app, which has none."""
        raise AssertionError("who knows conversions serves this call")

    @Described("getWin", answers={200: WinOut}, problems=["win-not-found"])
    def retrieve(self, request: Request, win_id: UUID) -> Response:
        """GET /v1/wins/{win_id}: a win of the calling game."""
        (body,) = self.rendered([selectors.get_win(win_id, game_id=visible_game(request))])
        return own_data(Response(body))


def _result(outcome: Recorded | Refused, shape: WinOut, request: Request) -> dict[str, Any]:
    """What one win of a batch got: what it would have got alone."""
    if isinstance(outcome, Refused):
        return _refused(domain_problem(outcome.error, request=request))
    return {"status": 200 if outcome.replayed else 201, "win": shape.to_representation(outcome.win)}


def _refused(content: Problem) -> dict[str, Any]:
    return {"status": content["status"], "problem": content}
