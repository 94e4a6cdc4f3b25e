"""Every change of configuration and rights is recorded, by whatever road it came, and nobody changes the record."""

import threading
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import PeriodicTask
from django_otp.plugins.otp_totp.models import TOTPDevice

from dreamland.lib.trail.actor import acting
from dreamland.lib.trail.errors import ReasonMissing, ReasonTooLong
from dreamland.lib.trail.looks import Viewer, record_look
from dreamland.lib.trail.models import Change, Look
from rewards.keys import create_game_key, revoke_game_key
from rewards.models import Game, Scope
from tests.approvals import rule_added
from tests.factories import NOON, a_game, a_player, hours
from tests.people import a_person
from tests.sql import APP, OWNER, acting_as, in_parallel, refusal, run

pytestmark = pytest.mark.django_db
# Tables of which nothing is recorded, and why that is right.
NOT_CONFIGURATION = {
    # facts that only grow, with guards of their own
    "conversion_conversion", "conversion_difference", "conversion_differenceresolution",
    "conversion_feesettlement", "conversion_providerstatement",
    "conversion_statementline", "conversion_rate", "conversion_runtransition", "conversion_voidedconversion",
    "ledger_approvaldecision", "ledger_approvaloutcome", "ledger_approvalrequest", "ledger_closedday",
    "ledger_daytotal", "ledger_journalentry", "ledger_posting", "ledger_seal", "ledger_verificationrun",
    "rewards_void", "rewards_win", "staff_factorreset", "staff_signin", "trail_change", "trail_look",
    # about players, sealed, and without their content in any trail; and which keys wrap, which says when by itself
    "rewards_erasure", "rewards_keyepoch", "rewards_playerkey", "rewards_profile",
    # follows from facts, or is the state of work
    "conversion_conversionrun", "conversion_providerhealth", "ledger_anchorhealth", "ledger_balance", "rewards_allowance",
    "rewards_player", "staff_signinattempts", "django_session", "backoffice_export", "backoffice_exportpart", "backoffice_taskfailure",
    # written by the regions and the centre, by their own machinery
    "world_activity", "world_beat", "world_hourclose", "world_hourfence", "world_move", "world_playerreference",
    "world_transfer",
    # Django's own book-keeping
    "django_admin_log", "django_content_type", "django_migrations", "django_celery_beat_periodictasks",
}  # fmt: skip


def last(table: str) -> Any:
    return Change.objects.filter(table=table).order_by("-id")[0]


def test_every_table_is_recorded_or_named_as_no_configuration() -> None:
    """A new table decides: trail_record_change on it (staff/sql), or a line above."""
    tables = {name for (name,) in run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    recorded = {
        name for (name,) in run("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'change_is_recorded'")
    }
    emptied = {
        name for (name,) in run("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'truncate_is_recorded'")
    }
    assert tables - recorded == NOT_CONFIGURATION
    assert recorded == emptied


def test_a_change_in_the_browser_names_the_person_the_request_and_both_sides() -> None:
    boss, client = a_person("boss", is_superuser=True), Client()
    client.force_login(boss)
    ada = a_person("ada", "Support")
    fields = {"username": "ada", "is_staff": "on", "groups": [Group.objects.get(name="Engineer").pk]}
    answer = client.post(reverse("admin:auth_user_change", args=[ada.pk]), fields, headers={"X-Request-ID": "r-1"})
    assert answer.status_code == 302, answer.content
    change = last("auth_user")
    assert (change.operation, change.row_id, change.user_id, change.username) == (
        "update",
        str(ada.pk),
        boss.pk,
        "boss",
    )
    assert change.request_id == "r-1"
    assert (change.old["is_active"], change.new["is_active"]) == (True, False)
    changes: Any = Change.objects.filter(table="auth_user_groups", request_id="r-1")
    given, taken = changes.order_by("operation")[::-1]
    assert (given.operation, given.new["group_id"]) == ("insert", Group.objects.get(name="Engineer").pk)
    assert (taken.operation, taken.old["group_id"]) == ("delete", Group.objects.get(name="Support").pk)
    assert given.username == taken.username == "boss"


def test_no_secret_is_in_a_record_but_that_it_changed_is() -> None:
    person = a_person("ada")
    person.set_password("another-long-password")
    person.save()
    change = last("auth_user")
    assert (change.old["password"], change.new["password"]) == ("hidden", "hidden, another one")
    device = TOTPDevice.objects.create(user=person, name="telephone")
    key = create_game_key(game_id=a_game().id, scopes=Scope.values)
    records = str(list(Change.objects.values_list("old", "new")))
    hashed = User.objects.get(pk=person.pk).password
    digest = bytes(run("SELECT secret_sha256 FROM rewards_gamekey WHERE id = %s", [key.key_id])[0][0])
    for secret in (hashed, device.key, digest.hex(), key.plaintext):
        assert secret not in records
    assert last("otp_totp_totpdevice").new["key"] == "hidden"
    assert last("rewards_gamekey").new["secret_sha256"] == "hidden"


def test_what_moves_by_itself_is_no_change() -> None:
    person = a_person("ada")
    before = Change.objects.count()
    client = Client()
    client.force_login(person)  # last_login; and a device, which is one record
    TOTPDevice.objects.update(last_t=7, drift=1)
    PeriodicTask.objects.update(total_run_count=9)
    assert Change.objects.count() == before + 1
    assert last("otp_totp_totpdevice").operation == "insert"


def test_games_keys_policies_fee_rules_and_the_schedule_are_recorded() -> None:
    game = a_game()
    assert last("rewards_game").new["slug"] == game.slug
    Game.objects.filter(pk=game.pk).update(over_cap="clip")
    assert (last("rewards_game").old["over_cap"], last("rewards_game").new["over_cap"]) == ("reject", "clip")
    key = create_game_key(game_id=game.id, scopes=Scope.values)
    revoke_game_key(key_id=key.key_id)
    assert last("rewards_gamekey").new["revoked_at"] is not None
    rules = Change.objects.filter(table="conversion_feerule")
    before = rules.count()
    add_fee_rule_at_noon()
    assert rules.count() == before + 1
    PeriodicTask.objects.create(name="something", task="conversion.convert_due_hours", interval=an_interval())
    assert last("django_celery_beat_periodictask").new["name"] == "something"
    PeriodicTask.objects.filter(name="something").delete()
    assert last("django_celery_beat_periodictask").old["name"] == "something"


def an_interval() -> Any:
    from django_celery_beat.models import IntervalSchedule

    return IntervalSchedule.objects.create(every=5, period="minutes")


def add_fee_rule_at_noon() -> None:
    rule_added(NOON + hours(10_000))


@pytest.mark.parametrize("who", [OWNER, APP])
@pytest.mark.parametrize(
    ("statement", "guard"),
    [
        ("UPDATE trail_change SET username = 'nobody'", "change_is_final"),
        ("DELETE FROM trail_change", "change_is_final"),
        ("TRUNCATE trail_change", "change_is_final"),
        (
            "INSERT INTO trail_change (table_name, operation, row_id, old, new, username, by_role, request_id)"
            " VALUES ('auth_user', 'insert', '1', NULL, '{}', 'eve', '', '')",
            "change_follows_row",
        ),
        ("UPDATE trail_look SET reason = 'none'", "look_is_final"),
        ("DELETE FROM trail_look", "look_is_final"),
        ("TRUNCATE trail_look", "look_is_final"),
        ("UPDATE staff_factorreset SET reason = 'none'", "factor_reset_is_final"),
        ("DELETE FROM staff_factorreset", "factor_reset_is_final"),
        ("TRUNCATE staff_factorreset", "factor_reset_is_final"),
        ("UPDATE staff_signin SET username = 'eve'", "sign_in_is_final"),
        ("TRUNCATE staff_signin", "sign_in_is_final"),
    ],
)
def test_nobody_changes_a_record(who: str, statement: str, guard: str) -> None:
    a_person("ada")
    assert refusal(statement, who=who) == ("privilege" if who == APP else guard)


def test_the_trail_cannot_be_switched_off_by_the_apps_role() -> None:
    for statement in (
        "ALTER TABLE auth_user DISABLE TRIGGER change_is_recorded",
        "SET session_replication_role = replica",
        "DROP TRIGGER change_is_recorded ON auth_user",
        "TRUNCATE rewards_game CASCADE",
    ):
        assert refusal(statement, who=APP) == "privilege"


def test_the_apps_role_changes_rights_and_is_recorded_though_it_may_not_write_records() -> None:
    with acting_as(APP):
        run("UPDATE auth_user SET is_superuser = true WHERE false")
        run("INSERT INTO auth_group (name) VALUES ('by hand')")
    assert (last("auth_group").new["name"], last("auth_group").user_id) == ("by hand", None)


def test_even_an_emptied_table_leaves_a_record() -> None:
    run("TRUNCATE auth_user_user_permissions")
    assert last("auth_user_user_permissions").operation == "truncate"


def test_a_person_is_named_in_a_statement_of_its_own_and_in_a_transaction_alike() -> None:
    person = a_person("ada")
    with acting(person.pk, "r-2"):
        Group.objects.create(name="alone")
        assert last("auth_group").username == "ada"
        with transaction.atomic():
            Group.objects.create(name="first")
            with transaction.atomic():
                Group.objects.create(name="second")
            Group.objects.create(name="third")
    named = Change.objects.filter(table="auth_group", request_id="r-2").values_list("username", flat=True)
    assert list(named) == ["ada"] * 4


def test_the_innermost_says_who_acts_and_the_outer_one_is_back_afterwards() -> None:
    ada, bob = a_person("ada"), a_person("bob")
    with acting(ada.pk):
        with acting(bob.pk):
            Group.objects.create(name="his")
        assert last("auth_group").username == "bob"
        Group.objects.create(name="hers")
        assert last("auth_group").username == "ada"


def test_a_savepoint_that_is_rolled_back_does_not_forget_the_person() -> None:
    person = a_person("ada")
    with acting(person.pk), transaction.atomic():
        try:
            with transaction.atomic():
                Group.objects.create(name="lost")
                raise ValueError
        except ValueError:
            pass
        Group.objects.create(name="kept")
    assert last("auth_group").username == "ada"


def test_the_next_user_of_a_connection_has_nobodys_name() -> None:
    """The same connection, as it comes back from a pool: after a commit, after an error, and without a transaction."""
    person = a_person("ada")
    with acting(person.pk, "r-3"):
        Group.objects.create(name="hers")
        with pytest.raises(IntegrityError), transaction.atomic():
            Group.objects.bulk_create([Group(name="lost"), Group(name="hers")])
    backend = run("SELECT pg_backend_pid()")
    Group.objects.create(name="nobodys")
    assert run("SELECT pg_backend_pid()") == backend
    assert (last("auth_group").user_id, last("auth_group").username, last("auth_group").request_id) == (None, "", "")
    assert run("SELECT coalesce(current_setting('dreamland.user_id', true), '')") == [("",)]


def test_control_a_setting_of_the_session_would_leak() -> None:
    """What the above would find if the person were told with SET instead of SET LOCAL."""
    person = a_person("ada")
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('dreamland.user_id', %s, false)", [str(person.pk)])
    Group.objects.create(name="nobodys")
    assert last("auth_group").username == "ada"
    connection.close()


def test_two_people_at_once_are_each_recorded_as_themselves() -> None:
    people = [a_person(f"person-{number}") for number in range(4)]
    ready = threading.Barrier(len(people))

    def work(person: User) -> None:
        with acting(person.pk), transaction.atomic():
            ready.wait(10)
            for number in range(5):
                Group.objects.create(name=f"{person.username} {number}")

    assert in_parallel([lambda person=person: work(person) for person in people]) == [None] * len(people)  # type: ignore[misc]
    changes: Any = Change.objects.filter(table="auth_group", new__name__startswith="person-")
    assert changes.count() == 20
    for change in changes:
        assert change.new["name"].startswith(f"{change.username} ")


def test_nonsense_in_the_setting_is_nobody() -> None:
    for nonsense in ("eve", "-1", "9" * 40, "1; DROP TABLE trail_change"):
        with transaction.atomic():
            run("SELECT set_config('dreamland.user_id', %s, true)", [nonsense])
            Group.objects.create(name=nonsense)
        assert last("auth_group").user_id is None


def test_a_look_says_who_whose_what_and_why() -> None:
    person, player = a_person("ada", "Support"), a_player()
    viewer = Viewer(person.pk, "admin:rewards_player_change", "r-4")
    record_look(viewer=viewer, subject=player, what="profile", reason="ticket 12")
    look = Look.objects.get()
    assert (look.user_id, look.username, look.subject, look.what) == (person.pk, "ada", player, "profile")
    assert (look.reason, look.place, look.request_id) == ("ticket 12", "admin:rewards_player_change", "r-4")


def test_a_look_without_a_reason_is_refused() -> None:
    viewer = Viewer(a_person("ada").pk, "page")
    for reason, error in (("", ReasonMissing), (" \n", ReasonMissing), ("x" * 201, ReasonTooLong)):
        with pytest.raises(error):
            record_look(viewer=viewer, subject=uuid4(), what="profile", reason=reason)
    assert not Look.objects.exists()


def test_the_apps_role_records_a_look_and_cannot_date_it() -> None:
    person = a_person("ada")
    with acting_as(APP):
        record_look(viewer=Viewer(person.pk, "page"), subject=uuid4(), what="profile", reason="ticket 12")
    backdated = (
        "INSERT INTO trail_look (at, user_id, username, subject, what, reason, place, request_id)"
        " VALUES ('2020-01-01', %s, 'ada', uuidv7(), 'profile', 'x', '', '')"
    )
    assert refusal(backdated, [person.pk], who=APP) == "privilege"


def test_whoever_looked_cannot_be_deleted() -> None:
    from django.db.models import ProtectedError

    person = a_person("ada")
    record_look(viewer=Viewer(person.pk, "page"), subject=uuid4(), what="profile", reason="ticket 12")
    with pytest.raises(ProtectedError):
        person.delete()
