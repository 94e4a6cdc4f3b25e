"""Addresses of players and wins, below /v1/."""

from django.urls import URLPattern, path

from rewards.views import PlayerViewSet, WinViewSet


def addresses(players: type[PlayerViewSet], wins: type[WinViewSet]) -> list[URLPattern]:
    """Players and wins, served by these views: who stands above this app adds what it knows about a win."""
    return [
        path("players/<uuid:player_id>", players.as_view({"get": "retrieve", "put": "register"}), name="player"),
        path("players/<uuid:player_id>/wins", players.as_view({"get": "wins"}), name="player-wins"),
        path("players/<uuid:player_id>/stats", players.as_view({"get": "stats"}), name="player-stats"),
        path("wins", wins.as_view({"post": "create"}), name="wins"),
        path("wins/batch", wins.as_view({"post": "batch"}), name="wins-batch"),
        path("wins/<uuid:win_id>", wins.as_view({"get": "retrieve"}), name="win"),
        path("wins/<uuid:win_id>/void", wins.as_view({"post": "void"}), name="win-void"),
    ]
