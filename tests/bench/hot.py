"""Eight games at once that report wins of the same few players, beside the same games with players of their own.

Each game is a process with one connection. Wins of one player wait for each other: his day's row is locked from the
decision to the commit. What is asked is how much that costs where everybody wants the same player, and where many
games share a few. The books and the caps are right either way; a control counts them.
"""

import random
from functools import partial
from typing import Any
from uuid import uuid4

from tests.bench import harness, wins
from tests.bench.drivers import Work, drive
from tests.bench.harness import Report, query

GAMES = 8
PLAYERS = (1, 4, 16)
SECONDS = 3.0
ROUNDS = 3


def measure(report: Report) -> None:
    """One very hot player, then four, then sixteen."""
    wins.prepare()
    for players in report.sizes(PLAYERS):
        report.add(
            harness.in_turns(
                f"{GAMES} games on the same few players, against players of their own",
                partial(drive, "tests.bench.hot:of_few", processes=GAMES, seconds=SECONDS, size=players),
                partial(drive, "tests.bench.hot:of_few", processes=GAMES, seconds=SECONDS, size=wins.PLAYERS),
                size=players,
                size_unit="players",
                unit="wins/s",
                rounds=ROUNDS,
            )
        )
    assert_counted()


def assert_counted() -> None:
    """Every day counts its wins, and every wallet holds them."""
    wrong: list[tuple[Any, ...]] = query(
        """
        SELECT day.player_id FROM rewards_allowance day
        JOIN ledger_balance share ON share.holder = day.player_id AND share.account_id = 'player:dream'
        JOIN (SELECT allowance_id, sum(amount) AS won FROM rewards_win GROUP BY allowance_id) win
          ON win.allowance_id = day.id
        WHERE (day.won, share.amount) IS DISTINCT FROM (win.won, win.won)
        """
    )
    assert not wrong, wrong[:3]


def of_few(size: int, chance: random.Random) -> Work:
    """A game of its own, which reports wins of the first `size` players, one a call."""
    from rewards.services import Claim, Recorded, create_game, record_wins

    game = create_game(slug=f"bench-{uuid4().hex[:12]}", name="Bench")

    def once() -> int:
        now = wins.instant()
        claim = Claim(wins.player(chance.randint(1, size)), str(uuid4()), wins.AMOUNT, now)
        (outcome,) = record_wins(game_id=game.id, claims=[claim], now=now)
        assert isinstance(outcome, Recorded), outcome
        return 1

    return once
