"""Places outside the database that keep the seals: each goes on by itself, and one that is away is said to be."""

import json
import time
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from ledger import seals
from ledger.anchors import AnchorUnavailable, FileAnchor, HookAnchor, anchor_what_is_missing
from ledger.metrics import readings
from ledger.tasks import close_books_task
from tests.databases import APP_ROLE
from tests.ledger.test_seals import found, seal_journal, some_history
from tests.sql import refusal, run

pytestmark = [pytest.mark.django_db, pytest.mark.breaks_books]


class Storage:
    """An object storage with a lock: the first content under a name stays."""

    def __init__(self) -> None:
        self.objects: dict[int, dict[str, Any]] = {}
        self.asked: list[int] = []
        self.is_away = False

    def keep(self, link: Mapping[str, Any]) -> None:
        if self.is_away:
            raise TimeoutError("the bucket does not answer")
        self.objects.setdefault(link["number"], json.loads(json.dumps(link)))

    def read(self, after: int) -> list[dict[str, Any]]:
        if self.is_away:
            raise TimeoutError("the bucket does not answer")
        self.asked.append(after)
        return [link for number, link in self.objects.items() if number > after]


STORAGE = Storage()


def keep(link: Mapping[str, Any]) -> None:
    STORAGE.keep(link)


def read(after: int) -> Any:
    return STORAGE.read(after)


@pytest.fixture(autouse=True)
def storage(settings: Any) -> Storage:
    settings.LEDGER_ANCHOR_HOOK = f"{__name__}.keep"
    settings.LEDGER_ANCHOR_READER = f"{__name__}.read"
    settings.LEDGER_ANCHOR_FILE = ""
    settings.SEAL_ENTRIES = 1
    STORAGE.__init__()  # type: ignore[misc]
    return STORAGE


def figures() -> dict[tuple[str, ...], float]:
    return {(sample.name, *sample.labels.values()): sample.value for each in readings() for sample in each.samples}


def sealed() -> list[int]:
    return [number for (number,) in run("SELECT number FROM ledger_seal ORDER BY number")]


def seal_while_away(patience_seconds: float = 5.0) -> None:
    """Seals all there is. Other tests on the same server hold the horizon back for as long as they write."""
    deadline = time.monotonic() + patience_seconds
    while True:
        with pytest.raises(AnchorUnavailable):
            seals.seal_journal()
        ((entries,),) = run("SELECT (SELECT count(*) FROM ledger_journalentry) - sum(entries) FROM ledger_seal")
        if entries == 0 or time.monotonic() > deadline:
            return
        time.sleep(0.05)


def verify_books() -> int:
    try:
        call_command("verify_books", json=True, stdout=StringIO(), stderr=StringIO())
    except SystemExit as end:
        return int(str(end.code))
    return 0


def test_object_storage_gets_every_link_once_and_gives_it_back(storage: Storage) -> None:
    some_history(3)
    seal_journal()
    first = list(storage.objects)
    seal_journal()
    assert list(storage.objects) == first == sealed()
    assert found() == set()


def test_a_chain_that_was_sealed_anew_differs_from_object_storage(storage: Storage) -> None:
    some_history(2)
    seal_journal()
    storage.objects[1]["digest"] = "0" * 64
    assert found() == {"seals-match-their-anchor"}
    del storage.objects[1]
    storage.objects[9_999] = storage.objects[2] | {"number": 9_999}
    assert found() == {"seals-match-their-anchor"}


def test_an_anchor_that_is_away_catches_up_and_holds_up_no_other(
    storage: Storage, settings: Any, tmp_path: Path
) -> None:
    settings.LEDGER_ANCHOR_FILE = str(tmp_path / "anchor.jsonl")
    file, bucket = settings.LEDGER_ANCHOR_FILE, settings.LEDGER_ANCHOR_HOOK
    some_history(2)
    seal_journal()
    before = len(sealed())
    storage.is_away = True
    some_history(2)
    seal_while_away()
    assert len(sealed()) > before
    assert sorted(FileAnchor(file).read(0)) == sealed()
    assert list(storage.objects) == sealed()[:before]
    with pytest.raises(AnchorUnavailable):
        close_books_task()
    assert verify_books() == 2
    told = figures()
    assert told["dreamland_anchor_failures", bucket] >= 2
    assert told["dreamland_anchor_missing_seals", bucket] == len(sealed()) - before
    assert told["dreamland_anchor_failures", file] == told["dreamland_anchor_missing_seals", file] == 0
    ((reason,),) = run("SELECT reason FROM ledger_anchorhealth WHERE failures > 0")
    assert "the bucket does not answer" in str(reason)

    storage.is_away = False
    close_books_task()
    assert list(storage.objects) == sealed()
    assert verify_books() == 0
    told = figures()
    assert told["dreamland_anchor_failures", bucket] == told["dreamland_anchor_missing_seals", bucket] == 0


def test_a_file_that_is_away_is_said_to_be(settings: Any, tmp_path: Path) -> None:
    settings.LEDGER_ANCHOR_HOOK = settings.LEDGER_ANCHOR_READER = ""
    settings.LEDGER_ANCHOR_FILE = str(tmp_path)  # a directory
    some_history(1)
    seal_while_away()
    assert len(sealed()) == 1
    assert verify_books() == 2


def test_an_anchor_that_is_not_named_any_more_raises_no_alarm(settings: Any) -> None:
    some_history(1)
    seal_journal()
    assert len(run("SELECT anchor FROM ledger_anchorhealth")) == 1
    settings.LEDGER_ANCHOR_HOOK = settings.LEDGER_ANCHOR_READER = ""
    seal_journal()
    assert run("SELECT anchor FROM ledger_anchorhealth") == []


def test_only_the_newest_links_are_asked_for_where_there_are_many(storage: Storage, settings: Any) -> None:
    settings.ANCHOR_LOOK_BACK = 2
    some_history(5)
    seal_journal()
    storage.asked.clear()
    anchor_what_is_missing()
    assert storage.asked == [len(sealed()) - 2]
    storage.objects = {number: link for number, link in storage.objects.items() if number <= 2}
    storage.asked.clear()
    anchor_what_is_missing()
    assert storage.asked == [len(sealed()) - 2, 0]
    assert list(storage.objects) == sealed()


NOT_LINKS: list[Any] = [
    None,
    7,
    {},
    {"number": 1},
    {"number": "1", "hash_version": 1, "starts": "0", "ends": "9", "entries": 1, "digest": "00"},
    {"number": True, "hash_version": 1, "starts": "0", "ends": "9", "entries": 1, "digest": "00"},
    {"number": 1, "hash_version": 1, "starts": "0", "ends": "9", "entries": 1, "digest": "00", "more": 1},
    {"number": 1, "hash_version": 1, "starts": "0", "ends": "9", "entries": 1.5, "digest": "00"},
]


@pytest.mark.parametrize("garbage", NOT_LINKS, ids=str)
def test_what_is_no_link_proves_nothing(garbage: Any, storage: Storage, tmp_path: Path) -> None:
    file = tmp_path / "anchor.jsonl"
    file.write_bytes(json.dumps(garbage).encode() + b"\n\xff\xfe\x00\n" + b"[" * 100_000 + b"\n")
    assert FileAnchor(str(file)).read(0) == {}
    storage.objects[1] = garbage
    with pytest.raises(AnchorUnavailable):
        HookAnchor(f"{__name__}.keep", f"{__name__}.read").read(0)


@pytest.mark.parametrize("reader", ["", "no.such.place", f"{__name__}.STORAGE", f"{__name__}.nothing"])
def test_a_reader_that_cannot_be_called_is_an_anchor_that_is_away(reader: str, settings: Any) -> None:
    settings.LEDGER_ANCHOR_READER = reader
    some_history(1)
    with pytest.raises(AnchorUnavailable):
        seal_journal()
    assert verify_books() == 2


def test_the_health_of_an_anchor_is_bounded_and_the_app_role_may_note_it(settings: Any, tmp_path: Path) -> None:
    insert = "INSERT INTO ledger_anchorhealth (anchor, holds, reason, failures) VALUES ('x', {}, {}, {})"
    assert refusal(insert.format(-1, "''", 0)) == "anchor_health_counts"
    assert refusal(insert.format(1, "''", -1)) == "anchor_health_counts"
    assert refusal(insert.format(1, "repeat('x', 201)", 0)) == "anchor_health_reason_length"
    settings.LEDGER_ANCHOR_HOOK = settings.LEDGER_ANCHOR_READER = ""
    settings.LEDGER_ANCHOR_FILE = str(tmp_path / ("x" * 300))  # too long a name, and so is its reason
    some_history(1)
    run(f"SET ROLE {APP_ROLE}")
    with pytest.raises(AnchorUnavailable):
        seal_journal()
    run("RESET ROLE")
    assert run("SELECT length(reason) <= 200 FROM ledger_anchorhealth") == [(True,)]
