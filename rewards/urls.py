"""Addresses of players and wins, below /v1/."""

from django.urls import path

from rewards.views import PlayerViewSet, WinViewSet

urlpatterns = [
    path("players/<uuid:player_id>", PlayerViewSet.as_view({"get": "retrieve", "put": "register"}), name="player"),
    path("players/<uuid:player_id>/wins", PlayerViewSet.as_view({"get": "wins"}), name="player-wins"),
    path("players/<uuid:player_id>/stats", PlayerViewSet.as_view({"get": "stats"}), name="player-stats"),
    path("wins", WinViewSet.as_view({"post": "create"}), name="wins"),
    path("wins/batch", WinViewSet.as_view({"post": "batch"}), name="wins-batch"),
    path("wins/<uuid:win_id>", WinViewSet.as_view({"get": "retrieve"}), name="win"),
]
