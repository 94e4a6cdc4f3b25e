"""How many players a chunk has: as many as take CONVERSION_CHUNK_MS, because their next wins wait for it."""

import pytest
from pytest_django import Settings

from conversion import chunks
from conversion.passes import ChunkSize
from conversion.services import convert_hour
from tests.conversion.helpers import HOUR, OVER, lines, win
from tests.factories import players


@pytest.fixture
def size(settings: Settings) -> ChunkSize:
    settings.CONVERSION_CHUNK_MS, settings.CONVERSION_PLAYERS_PER_CHUNK = 20, 1_000
    return ChunkSize()


def test_the_first_chunk_is_small_and_none_is_larger_than_allowed(size: ChunkSize, settings: Settings) -> None:
    assert size.players == settings.CONVERSION_PLAYERS_PER_CHUNK_LEAST == 100
    settings.CONVERSION_PLAYERS_PER_CHUNK = 5
    assert ChunkSize().players == 5


def test_fast_chunks_grow_step_by_step_up_to_the_limit(size: ChunkSize) -> None:
    """Catches one chunk of players who had nothing to convert, after which the next one takes a second."""
    grown = []
    for _ in range(6):
        size.took(size.players, 0.0)
        grown.append(size.players)
    assert grown == [200, 400, 800, 1_000, 1_000, 1_000]


def test_a_slow_chunk_is_followed_by_one_that_fits(size: ChunkSize) -> None:
    """Catches a machine under load that holds a thousand wallets for a second."""
    size.took(500, 0.05)
    assert size.players == 200
    size.took(200, 10.0)
    assert size.players == 100  # never so few that the run is all round trips


@pytest.mark.django_db
def test_a_pass_over_slow_chunks_reaches_everybody(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CONVERSION_CHUNK_MS, settings.CONVERSION_PLAYERS_PER_CHUNK_LEAST = 0, 4
    for player in players(9):
        win(player)
    sizes: list[int] = []
    convert_chunk = chunks.convert_chunk

    def listen(run: object, terms: object, its: list[object]) -> None:
        sizes.append(len(its))
        convert_chunk(run, terms, its)  # type: ignore[arg-type]

    monkeypatch.setattr(chunks, "convert_chunk", listen)
    assert convert_hour(hour=HOUR, now=OVER).state == "done"
    assert sizes == [4, 4, 1]
    assert len(lines()) == 9
