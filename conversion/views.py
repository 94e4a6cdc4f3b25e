"""Conversions over HTTP: the USD history, and what became of a win."""

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

import rewards.selectors
import rewards.views
from conversion import selectors, voiding
from conversion.selectors import UsdLine
from conversion.serializers import UsdLineOut
from dreamland.lib.api.conditional import own_data
from dreamland.lib.api.describe import Described, page_of
from dreamland.lib.api.pages import PageQuery, page, read_cursor, write_cursor
from dreamland.lib.api.views import ApiViewSet
from rewards.models import Scope
from rewards.selectors import WinFacts
from rewards.voiding import Shares, TakenBack


class PlayerViewSet(rewards.views.PlayerViewSet):
    """Players, whose wins tell what they became."""

    def conversions_of(self, win_ids: Iterable[UUID]) -> Mapping[UUID, Any]:
        return selectors.conversions_of(win_ids)


class WinViewSet(rewards.views.WinViewSet):
    """Wins that tell what they became, and are voided with it."""

    def conversions_of(self, win_ids: Iterable[UUID]) -> Mapping[UUID, Any]:
        return selectors.conversions_of(win_ids)

    def take_back(self, wins: Sequence[WinFacts], shares: Shares) -> TakenBack:
        return voiding.take_back(wins, shares)


class UsdHistoryViewSet(ApiViewSet):
    """A player's USD until the end of the player's previous day."""

    required_scopes: ClassVar[Mapping[str, str]] = {"list": Scope.PLAYERS_READ}
    open_to_players: ClassVar[Set[str]] = {"list"}
    staff_permissions: ClassVar[Mapping[str, str]] = {"list": "conversion.view_conversion"}
    query_serializers: ClassVar[Mapping[str, type[Serializer[Any]]]] = {"list": PageQuery}

    @Described(
        "listUsdHistory",
        answers={200: page_of(UsdLineOut)},
        headers={200: ["Link"]},
        problems=rewards.views.READING_PROBLEMS,
    )
    def list(self, request: Request, player_id: UUID) -> Response:
        """GET /v1/players/{player_id}/usd-history: conversions of tokens won before today, newest first."""
        limit, name = self.parameters["limit"], f"usd history of {player_id}"
        position = read_cursor(self.parameters["cursor"], of=name)
        after = None
        if position is not None:
            day, hour, entry = position
            after = date.fromisoformat(day), datetime.fromisoformat(hour), UUID(entry)
        today = rewards.selectors.current_day(player_id, now=self.now).date  # raises PlayerNotFound
        lines = selectors.usd_history(player_id, before_day=today, after=after, limit=limit + 1)
        return own_data(
            page(
                request,
                lines,
                limit=limit,
                render=lambda items: UsdLineOut(items, many=True).data,
                cursor_after=lambda line: _cursor_after(line, name),
            )
        )


def _cursor_after(line: UsdLine, name: str) -> str:
    day, hour, entry = line.cursor
    return write_cursor([day.isoformat(), hour.isoformat(), str(entry)], of=name)
