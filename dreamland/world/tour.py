"""A walk through a world: what regions and centre promise, each promise shown and checked on the running clusters."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
from django.contrib.auth import get_user_model

from conversion.services import convert_due_hours, fetch_rate
from dreamland.local import files
from dreamland.world import moves
from dreamland.world.acting import acting_in
from dreamland.world.centre import DATABASE
from dreamland.world.checking import Finding
from dreamland.world.clusters import CENTRE, World
from ledger import book
from rewards.models import Game
from rewards.services import Claim, Recorded, create_game, record_wins, register_player

Report = Callable[[str, str], None]
SEEN_SECONDS = 60.0
HOUR = timedelta(hours=1)


class BrokenPromiseError(Exception):
    """Something on the way was not as it should be; the message says what."""


def _hold(promise: bool, otherwise: str) -> None:
    if not promise:
        raise BrokenPromiseError(otherwise)


class Tour:
    """Each step does something, proves it, and reports (promise, what was seen)."""

    def __init__(self, world: World, report: Report) -> None:
        self.world, self.report = world, report
        self.now = datetime.now(UTC)
        self.won_at = self.now.replace(minute=0, second=0, microsecond=0) - HOUR
        self.memo = f"for Ada Lovelace, {uuid4()}"
        self.players: dict[str, UUID] = {}

    def walk(self) -> None:
        """All of it. Raises BrokenPromiseError."""
        self.reference_data()
        self.facts()
        self.privacy()
        self.guard()
        self.crash()
        self.tampering()
        self.move()

    def reference_data(self) -> None:
        """A game and a rate, made at the centre, are in both regions; and can be made nowhere else."""
        started = time.monotonic()
        with acting_in(self.world, CENTRE):
            create_game(slug="chess-duel", name="Chess Duel")
            fetch_rate(hour=self.won_at, now=self.now)
        self.world.catch_up()
        self.report("reference data comes from the centre", f"in both regions after {_ms(started)}")
        for region in self.world.regions:
            with self.world.cells[region].connect() as cell:
                _refused(
                    cell, "INSERT INTO rewards_game (slug, name) VALUES ('own', 'Own')", "reference_is_the_centres"
                )
        self.report("a region cannot write it", "refused: reference_is_the_centres")

    def facts(self) -> None:
        """Wins and conversions of both regions are at the centre, to the last digit."""
        for region in self.world.regions:
            with acting_in(self.world, region):
                self.players[region] = register_player(player_id=uuid4(), timezone="UTC").player.id
                self._win(region, Decimal("2.5"))
                with _booking():
                    posting = book.Posting("usd:adjustments", "player:usd", Decimal(1))
                    book.post([book.Entry(self.players[region], "goodwill", (posting,), memo=self.memo)])
                self._convert()
        self._told_all()
        self.report("the centre's books equal the regions'", self._compared())

    def privacy(self) -> None:
        """Nothing that tells who a player is lies in the centre's files; the same search finds it in the region's."""
        for cell in self.world.cells.values():
            with cell.connect() as connection:
                connection.execute("CHECKPOINT")
        secrets = (self.memo.encode(), self.players["eu"].bytes, str(self.players["eu"]).encode())
        centre, region = (self.world.cells[name].postgres.data for name in (CENTRE, "eu"))
        _hold(not _found(centre, secrets), "the centre's files hold a player's data")
        found = _found(region, secrets)
        _hold(found > 0, "the search finds nothing at all")
        self.report(
            "no personal data leaves", f"0 files of the centre hold the memo or the player's id; {found} of eu do"
        )

    def guard(self) -> None:
        """No publication of everything, not even by the owner."""
        with self.world.cells["eu"].connect() as cell:
            _refused(cell, "CREATE PUBLICATION leak FOR ALL TABLES", "publication_names_its_columns")
        self.report("the database guards what is published", "FOR ALL TABLES refused: publication_names_its_columns")

    def crash(self) -> None:
        """The centre dies in the middle of wins; nothing is lost."""
        process = int((self.world.centre.postgres.data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(process, signal.SIGQUIT)
        started = time.monotonic()
        for region in self.world.regions:
            with acting_in(self.world, region):
                for _ in range(10):
                    self._win(region, Decimal("0.01"))
        _hold(files.wait_until(self._centre_answers, SEEN_SECONDS, 0.1), "the centre does not come back")
        self._told_all()
        self.report("a crash loses nothing", f"centre killed, regions went on, equal again after {_ms(started)}")

    def tampering(self) -> None:
        """An amount that is changed at the centre is seen, named and repaired from the region."""
        with self.world.centre.connect(DATABASE) as connection:
            connection.execute(
                "UPDATE ledger_posting_eu SET amount = amount + 1"
                " WHERE id = (SELECT id FROM ledger_posting_eu ORDER BY id DESC LIMIT 1)"
            )
        _hold(files.wait_until(lambda: bool(self._findings()), SEEN_SECONDS, 0.1), "tampering was not seen")
        [first, *_] = self._findings()
        mended = self.world.repair(first.region)
        _hold(not self._findings(), "the repair did not help")
        self.report("tampering is seen and repaired", f"{first.kind}: {first.subject}; tables mended: {len(mended)}")

    def move(self) -> None:
        """A player goes from eu to us with balance and day."""
        player, held = self.players["eu"], Decimal(0)
        with acting_in(self.world, "eu"):
            transfer = moves.begin(player_id=player, to_region="us", own_region="eu", user_id=_mover())
            self._convert()
            luggage = moves.depart(transfer_id=transfer, own_region="eu", now=self.now)
            held = luggage.usd
        self._told_all()
        with self.world.centre.connect(DATABASE) as connection:
            row = connection.execute("SELECT in_transit FROM settlement WHERE transfer = %s", [transfer]).fetchone()
        _hold(row == (held,), f"the centre does not see {held} USD in transit, but {row}")
        with acting_in(self.world, "us"):
            moves.arrive(luggage=luggage, own_region="us", user_id=_mover())
            _hold(not moves.arrive(luggage=luggage, own_region="us", user_id=_mover()), "a player arrived twice")
            _hold(book.balances([player])[player]["player:usd"] == held, "the balance did not arrive")
        with acting_in(self.world, "eu"):
            moves.confirm(transfer_id=transfer)
        self._told_all()
        self.report(
            "a player moves once, with all he has", f"{held:f} USD seen in transit, then settled; again: nothing"
        )

    def _win(self, region: str, amount: Decimal) -> None:
        game = Game.objects.get(slug="chess-duel")
        claim = Claim(self.players[region], f"match-{uuid4()}", amount, self.won_at)
        [outcome] = record_wins(game_id=game.pk, claims=[claim], now=self.now)
        _hold(isinstance(outcome, Recorded), f"a win was refused: {outcome}")

    def _convert(self) -> None:
        """Converts what is pending; an hour that was converted before leaves it to the next one."""
        later = self.now
        while not convert_due_hours(now=later).done and later < self.now + 24 * HOUR:
            later += HOUR

    def _told_all(self) -> None:
        """Returns when everything lies in closed hours that the centre has, and it finds nothing wrong."""
        until = datetime.now(UTC)

        def told() -> bool:
            with contextlib.suppress(psycopg.Error), self.world.centre.connect(DATABASE) as connection:
                rows = connection.execute(
                    "SELECT min(latest) FROM (SELECT max(ends_at) AS latest FROM world_hourclose"
                    " GROUP BY region HAVING count(*) > 0) AS regions"
                ).fetchone()
                return rows is not None and rows[0] is not None and rows[0] > until and not self._findings()
            return False

        _hold(files.wait_until(told, SEEN_SECONDS, 0.1), f"the centre is not right: {self._findings()[:3]}")

    def _findings(self) -> tuple[Finding, ...]:
        return self.world.verify()

    def _centre_answers(self) -> bool:
        with contextlib.suppress(psycopg.Error), self.world.centre.connect(DATABASE):
            return True
        return False

    def _compared(self) -> str:
        """Counts, sums and digests of both sides; raises where they differ."""
        postings = 0
        with self.world.centre.connect(DATABASE) as here:
            for region in self.world.regions:
                with self.world.cells[region].connect() as there:
                    told = there.execute("SELECT hour_totals('-infinity', 'infinity')").fetchone()
                found = here.execute("SELECT hour_totals(%s, '-infinity', 'infinity')", [region]).fetchone()
                _hold(told == found and told is not None, f"{region} differs")
                assert told is not None
                postings += told[0]["ledger_posting"]["rows"]
        return f"{postings} postings of {len(self.world.regions)} regions by count, sum and digest"


def _mover() -> int:
    user, _ = get_user_model().objects.get_or_create(username="tour")
    return int(user.pk)


@contextlib.contextmanager
def _booking() -> Iterator[None]:
    from django.db import transaction

    with transaction.atomic(durable=True):
        yield


def _refused(connection: "psycopg.Connection[tuple[object, ...]]", statement: str, guard: str) -> None:
    try:
        connection.execute(statement.encode())
    except psycopg.Error as error:
        _hold(error.diag.constraint_name == guard, f"refused by another guard: {error}")
        return
    raise BrokenPromiseError(f"not refused: {statement}")


def _found(place: Path, needles: Sequence[bytes]) -> int:
    """How many files below `place` hold any of these bytes."""
    found = 0
    for path in place.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # the server removes files as it works
            content = path.read_bytes() if path.is_file() else b""
            found += any(needle in content for needle in needles)
    return found


def _ms(started: float) -> str:
    return f"{(time.monotonic() - started) * 1_000:.0f} ms"
