"""Recording wins: the cap, the day, replays and refusals, one win and many."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dreamland.lib.errors import DomainError
from ledger import book
from rewards import selectors
from rewards.days import zone
from rewards.models import Game, Player
from rewards.services import Claim, Recorded, Refused, record_wins, register_player
from tests.factories import NOON, a_claim, a_game, a_player, hours, players
from tests.sql import APP, acting_as, run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("road")]


def record(game: Game, *claims: Claim, now: datetime = NOON) -> tuple[Recorded | Refused, ...]:
    return record_wins(game_id=game.id, claims=claims, now=now)


def codes(outcomes: tuple[Recorded | Refused, ...]) -> list[str]:
    """What became of each claim, in a word."""
    return [
        outcome.error.code if isinstance(outcome, Refused) else "replayed" if outcome.replayed else "recorded"
        for outcome in outcomes
    ]


def error_of(outcome: Recorded | Refused) -> DomainError:
    assert isinstance(outcome, Refused)
    return outcome.error


def wallet(player_id: object) -> Decimal:
    return book.balances([player_id])[player_id]["player:dream"]  # type: ignore[list-item, index]


def test_a_win_stands_in_the_wallet_the_day_and_the_history() -> None:
    game, player = a_game(), a_player("Asia/Kathmandu")
    (outcome,) = record(
        game, a_claim(player, "1.25", won_at=datetime(2026, 11, 10, 18, 15, tzinfo=UTC)), now=NOON + hours(8)
    )
    assert isinstance(outcome, Recorded)
    assert outcome.win.day == date(2026, 11, 11)
    assert outcome.win.state == "pending"
    assert wallet(player) == Decimal("1.25")
    assert selectors.wins_of_day(player, date(2026, 11, 11), limit=10) == (outcome.win,)
    assert selectors.get_win(outcome.win.id, game_id=game.id) == outcome.win
    stats = selectors.stats(player, now=NOON + hours(8))
    assert (stats.tokens_won_today, stats.tokens_remaining_today) == (Decimal("1.25"), Decimal("3.75"))
    assert stats.resets_at == datetime(2026, 11, 11, 18, 15, tzinfo=UTC)


def test_exactly_five_is_allowed_and_one_atom_more_is_not() -> None:
    game, player = a_game(), a_player()
    assert codes(record(game, a_claim(player, "4.999999999999999999"), a_claim(player, "0.000000000000000001"))) == [
        "recorded",
        "recorded",
    ]
    (refused,) = record(game, a_claim(player, "0.000000000000000001"))
    assert error_of(refused).code == "daily-cap-exceeded"
    assert error_of(refused).extra == {"remaining": 0, "resets_at": datetime(2026, 11, 11, tzinfo=UTC)}
    assert wallet(player) == 5


def test_the_first_win_of_a_day_above_five_is_refused_and_opens_no_day() -> None:
    player = a_player()
    (refused,) = record(a_game(), a_claim(player, "5.000000000000000001"))
    assert error_of(refused).extra["remaining"] == 5
    assert run("SELECT count(*) FROM rewards_allowance") == [(0,)]


def test_a_win_that_would_exceed_is_refused_whole_and_a_smaller_one_still_fits() -> None:
    game, player = a_game(), a_player()
    outcomes = record(game, *(a_claim(player, amount) for amount in ("3", "3", "2", "0.1")))
    assert codes(outcomes) == ["recorded", "daily-cap-exceeded", "recorded", "daily-cap-exceeded"]
    assert error_of(outcomes[1]).extra["remaining"] == 2


def test_the_cap_is_one_for_all_games_together() -> None:
    player = a_player()
    assert codes(record(a_game("chess"), a_claim(player, "3"))) == ["recorded"]
    assert codes(record(a_game("poker"), a_claim(player, "3"))) == ["daily-cap-exceeded"]


def test_the_next_day_begins_with_the_whole_cap() -> None:
    game, player = a_game(), a_player("America/New_York")
    midnight = datetime(2026, 11, 10, 5, 0, tzinfo=UTC)
    before, after = a_claim(player, "5", won_at=midnight - hours(1e-6)), a_claim(player, "5", won_at=midnight)
    assert codes(record(game, before, after)) == ["recorded", "recorded"]


def test_the_same_reference_with_the_same_values_replays_whatever_their_spelling() -> None:
    game, player = a_game(), a_player()
    (first,) = record(game, a_claim(player, "1.5", reference="r"))
    same = Claim(player, "r", Decimal("1.50"), NOON.astimezone(zone("Asia/Kathmandu")))
    (again,) = record(game, same, now=NOON + timedelta(days=30))  # long after a new win would be too old
    assert isinstance(first, Recorded)
    assert isinstance(again, Recorded)
    assert again.replayed
    assert again.win == first.win
    assert wallet(player) == Decimal("1.5")


def test_the_same_reference_with_other_content_is_refused() -> None:
    game, player = a_game(), a_player()
    record(game, a_claim(player, "1.5", reference="r"))
    others = [a_claim(player, "1.6", reference="r"), a_claim(player, "1.5", reference="r", won_at=NOON + hours(0.01))]
    assert codes(record(game, *others)) == ["reference-reused", "reference-reused"]


def test_a_reference_belongs_to_one_player_and_one_game() -> None:
    player, other = a_player(), a_player()
    assert (
        codes(record(a_game("chess"), a_claim(player, reference="r"), a_claim(other, reference="r")))
        == ["recorded"] * 2
    )
    assert codes(record(a_game("poker"), a_claim(player, reference="r"))) == ["recorded"]


def test_inside_one_call_a_repeated_reference_is_a_replay_or_a_reuse() -> None:
    game, player = a_game(), a_player()
    outcomes = record(
        game,
        a_claim(player, "1", reference="r"),
        a_claim(player, "1", reference="r"),
        a_claim(player, "2", reference="r"),
    )
    assert codes(outcomes) == ["recorded", "replayed", "reference-reused"]
    assert wallet(player) == 1


def test_a_refused_reference_may_be_used_again_in_the_same_call() -> None:
    game, player = a_game(), a_player()
    outcomes = record(game, a_claim(player, "6", reference="r"), a_claim(player, "2", reference="r"))
    assert codes(outcomes) == ["daily-cap-exceeded", "recorded"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": Decimal(0)}, "invalid-amount"),
        ({"amount": Decimal(-1)}, "invalid-amount"),
        ({"amount": Decimal("NaN")}, "invalid-amount"),
        ({"amount": Decimal("sNaN")}, "invalid-amount"),
        ({"amount": Decimal("Infinity")}, "invalid-amount"),
        ({"amount": Decimal("1e-19")}, "invalid-amount"),
        ({"amount": Decimal("1e19")}, "daily-cap-exceeded"),
        ({"amount": Decimal("1e20")}, "invalid-amount"),
        ({"reference": ""}, "invalid"),
        ({"reference": "x" * 201}, "invalid"),
        ({"player_id": UUID(int=7)}, "player-not-found"),
        ({"won_at": NOON + timedelta(seconds=120, microseconds=1)}, "won-at-in-future"),
        ({"won_at": NOON - timedelta(hours=72, microseconds=1)}, "won-at-too-old"),
        ({"won_at": NOON + timedelta(seconds=120)}, "recorded"),
        ({"won_at": NOON - timedelta(hours=72)}, "recorded"),
    ],
    ids=str,
)
def test_each_refusal_has_its_code_and_leaves_the_rest_of_the_call_be(change: dict[str, object], code: str) -> None:
    game, player = a_game(), a_player()
    odd = {"player_id": player, "reference": "odd", "amount": Decimal(1), "won_at": NOON} | change
    outcomes = record(game, a_claim(player), Claim(**odd), a_claim(player))  # type: ignore[arg-type]
    assert codes(outcomes) == ["recorded", code, "recorded"]


@pytest.mark.parametrize(("status", "code"), [("suspended", "player-suspended"), ("closed", "player-closed")])
def test_a_suspended_or_closed_player_wins_nothing(status: str, code: str) -> None:
    game, player = a_game(), a_player()
    Player.objects.filter(pk=player).update(status=status)
    assert codes(record(game, a_claim(player))) == [code]


def test_a_call_without_an_accepted_win_writes_nothing_at_all() -> None:
    game, player = a_game(), a_player()
    record(game, a_claim(player, "4", reference="r"))
    before = run("SELECT pg_current_xact_id_if_assigned(), (SELECT count(*) FROM ledger_posting)")
    with CaptureQueriesContext(connection) as queries:
        outcomes = record(game, a_claim(player, "4"), a_claim(player, "4", reference="r"), a_claim(uuid4()))
    assert codes(outcomes) == ["daily-cap-exceeded", "replayed", "player-not-found"]
    assert not [query for query in queries if "INSERT" in query["sql"] or "UPDATE rewards" in query["sql"]]
    assert run("SELECT pg_current_xact_id_if_assigned(), (SELECT count(*) FROM ledger_posting)") == before


def test_a_late_win_counts_for_its_own_day_between_days_that_are_open() -> None:
    game, player = a_game(), a_player("Europe/Berlin")
    record(game, a_claim(player, "5", won_at=NOON - hours(48)), a_claim(player, "5", won_at=NOON))
    assert codes(
        record(game, a_claim(player, "5", won_at=NOON - hours(24)), a_claim(player, "1", won_at=NOON - hours(24)))
    ) == [
        "recorded",
        "daily-cap-exceeded",
    ]
    assert run("SELECT day FROM rewards_allowance ORDER BY starts_at") == [
        (date(2026, 11, 8),),
        (date(2026, 11, 9),),
        (date(2026, 11, 10),),
    ]


def test_moving_to_another_zone_does_not_open_a_second_day_now() -> None:
    game, player = a_game(), a_player("Pacific/Midway")
    now = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
    assert codes(record(game, a_claim(player, "5", won_at=now), now=now)) == ["recorded"]
    for name in ("Europe/Berlin", "Pacific/Kiritimati", "Asia/Tokyo"):
        register_player(player_id=player, timezone=name)
        assert codes(record(game, a_claim(player, "0.1", won_at=now), now=now)) == ["daily-cap-exceeded"]


@pytest.mark.parametrize("count", [1, 500])
def test_the_number_of_statements_does_not_depend_on_the_number_of_wins(count: int, road: str) -> None:
    game, everybody = a_game(), players(50)
    with CaptureQueriesContext(connection) as first:
        record(game, *(a_claim(everybody[n % 50], "0.01") for n in range(count)))
    with CaptureQueriesContext(connection) as second:
        record(game, *(a_claim(everybody[n % 50], "0.01") for n in range(count)))
    plain = count == 1 and road == "plain where it can be"
    assert (statements(first), statements(second)) == ((4, 1) if plain else (3, 2))


def statements(queries: CaptureQueriesContext) -> int:
    """Round trips that carry a statement of ours: what there is to know, with days locked; days opened; entries and wins.

    For a single win all of it in one, tried first.
    """
    return sum(not query["sql"].startswith(("BEGIN", "COMMIT")) for query in queries)


def test_a_win_is_not_planned_anew_each_time(road: str) -> None:
    """PostgreSQL keeps a plan where knowing the parameters promises nothing better: the length of an array would."""
    game, (player,) = a_game(), players(1)
    for _ in range(20):
        record(game, a_claim(player, "0.01"))
    planned = run("SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement ~ 'fresh|entries'")
    assert len(planned) == (1 if road == "plain where it can be" else 2)
    assert all(custom <= 5 < generic for generic, custom in planned)


def test_the_app_role_is_enough_to_record_wins() -> None:
    game, player = a_game(), a_player()
    run(f"SET ROLE {acting_role()}")
    assert codes(record(game, a_claim(player, "2"), a_claim(player, "2"))) == ["recorded", "recorded"]
    assert codes(record(game, a_claim(player, "2"), a_claim(player, "1"))) == ["daily-cap-exceeded", "recorded"]
    run("RESET ROLE")


def acting_role() -> str:
    with acting_as(APP):
        ((role,),) = run("SELECT current_user")
    return str(role)
