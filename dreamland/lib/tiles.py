"""Figures and charts of the first page: each app says its own, and who may see them; `dreamland.dashboard` shows them.

Every figure leads to what it counts. None may cost more the longer Dreamland exists: they are read from balances,
closed days and runs.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.http import HttpRequest

from dreamland.lib.columns import BAD, GOOD, WAITS

__all__ = ["BAD", "GOOD", "WAITS", "Chart", "Series", "Tile", "charts", "register_charts", "register_tiles", "tiles"]


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure: what it is called, what it is, a sentence, and where its rows are. `order` is its place."""

    title: str
    value: Any
    address: str
    note: str = ""
    unit: str = ""
    colour: str = ""
    order: int = 100


@dataclass(frozen=True, slots=True)
class Series:
    """A line or a row of bars. Values are exact; a browser draws them as floats."""

    name: str
    values: Sequence[Decimal | None]
    colour: str = "primary"


COLOURS = {
    "primary": "var(--color-primary-600)",
    "second": "var(--color-green-600)",
    "third": "var(--color-orange-600)",
}


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture of figures over time: "bar" or "line", its labels (UTC), its series, and where its rows are."""

    title: str
    kind: str
    labels: Sequence[str]
    series: Sequence[Series]
    address: str = ""
    note: str = ""
    empty: str = "Nothing to draw yet."
    order: int = 100

    @property
    def has_values(self) -> bool:
        return any(value for series in self.series for value in series.values)

    @property
    def latest(self) -> list[tuple[str, Decimal | None]]:
        """What a picture cannot be read for: the last value of each series."""
        return [(series.name, series.values[-1] if series.values else None) for series in self.series]

    @property
    def data(self) -> str:
        """As Chart.js wants it."""
        return json.dumps({"labels": list(self.labels), "datasets": [self._dataset(each) for each in self.series]})

    def _dataset(self, series: Series) -> dict[str, Any]:
        colour = COLOURS[series.colour]
        return {
            "label": series.name,
            "data": [None if value is None else format(value, "f") for value in series.values],
            "backgroundColor": colour,
            "borderColor": colour,
            "borderWidth": 2 if self.kind == "line" else 0,
            "pointRadius": 0,
            "pointHitRadius": 8,
            "maxBarThickness": 18,
            "borderRadius": 2,
        }

    @property
    def options(self) -> str:
        grey = "#6b7280"
        return json.dumps(
            {
                "responsive": True,
                "maintainAspectRatio": False,
                "animation": False,
                "interaction": {"mode": "index", "intersect": False},
                "plugins": {
                    "legend": {
                        "display": len(self.series) > 1,
                        "align": "end",
                        "labels": {"boxWidth": 8, "boxHeight": 8, "color": grey},
                    }
                },
                "scales": {
                    "x": {"grid": {"display": False}, "ticks": {"color": grey, "maxTicksLimit": 8, "maxRotation": 0}},
                    "y": {
                        "beginAtZero": True,
                        "border": {"display": False},
                        "grid": {"lineWidth": 1},
                        "ticks": {"color": grey, "maxTicksLimit": 5},
                    },
                },
            }
        )


_tiles: list[tuple[str, Callable[[], Iterable[Tile]]]] = []
_charts: list[tuple[str, Callable[[], Iterable[Chart]]]] = []


def register_tiles(permission: str, source: Callable[[], Iterable[Tile]]) -> None:
    """Adds figures for those who have the permission."""
    if (permission, source) not in _tiles:
        _tiles.append((permission, source))


def register_charts(permission: str, source: Callable[[], Iterable[Chart]]) -> None:
    """Adds charts for those who have the permission."""
    if (permission, source) not in _charts:
        _charts.append((permission, source))


def tiles(request: HttpRequest) -> list[Tile]:
    """The figures that this person may see, in their order."""
    shown = [tile for permission, source in _tiles if request.user.has_perm(permission) for tile in source()]
    return sorted(shown, key=lambda tile: tile.order)


def charts(request: HttpRequest) -> list[Chart]:
    """The charts that this person may see, in their order."""
    shown = [chart for permission, source in _charts if request.user.has_perm(permission) for chart in source()]
    return sorted(shown, key=lambda chart: chart.order)
