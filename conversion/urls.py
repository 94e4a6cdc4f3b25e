"""Addresses of players, wins and conversions, below /v1/."""

from django.urls import path

from conversion.views import PlayerViewSet, UsdHistoryViewSet, WinViewSet
from rewards.urls import addresses

urlpatterns = [
    *addresses(PlayerViewSet, WinViewSet),
    path("players/<uuid:player_id>/usd-history", UsdHistoryViewSet.as_view({"get": "list"}), name="player-usd-history"),
]
