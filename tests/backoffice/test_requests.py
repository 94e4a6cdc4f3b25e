"""Requests that two people carry, through their pages."""

from decimal import Decimal
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.urls import reverse

from conversion.models import FeeRule, FeeSettlement, Rate
from conversion.services import convert_due_hours
from ledger import book
from ledger.approvals.models import ApprovalDecision, ApprovalRequest
from ledger.models import JournalEntry
from rewards.services import record_wins
from tests.approvals import UNDOING, approved
from tests.approvals import asked as asked_for
from tests.approvals import reverse as reverse_by_hand
from tests.factories import NOON, a_claim, a_game, a_player, hours
from tests.people import a_person

pytestmark = pytest.mark.django_db


GROUPS = {"olga": "Finance operator", "anna": "Finance approver", "bert": "Finance approver", "viola": "Finance viewer"}


def at_desk(name: str) -> Client:
    """Somebody of the group that the name stands for, signed in."""
    client = Client()
    known = User.objects.filter(username=name).first()
    client.force_login(known or a_person(name, GROUPS[name]))
    return client


def asking(**more: str) -> dict[str, str]:
    empty = {f"{part}_{line}": "" for part in ("debit", "credit", "amount") for line in (1, 2, 3)}
    return {
        **empty,
        "player": "",
        "corrects": "",
        "debit_1": "usd:adjustments",
        "credit_1": "player:usd",
        "amount_1": "2.5",
        "reason_code": "goodwill",
        "reference": "ticket 12",
        "note": "",
        **more,
    }


@pytest.fixture
def player() -> UUID:
    found = a_player()
    record_wins(game_id=a_game().id, claims=[a_claim(found, "1")], now=NOON)
    convert_due_hours(now=NOON + hours(2))
    return found


ASK = "admin:ledger_approvalrequest_ask"


def asked(client: Client, player: UUID) -> ApprovalRequest:
    answer = client.post(reverse(ASK, args=["adjustment"]), asking(player=str(player), step="ask"))
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    return ApprovalRequest.objects.get()


def test_what_it_would_do_is_shown_before_anybody_is_asked(player: UUID) -> None:
    client = at_desk("olga")
    page = client.post(reverse(ASK, args=["adjustment"]), asking(player=str(player), step="look")).content.decode()
    assert "Balances before and after" in page
    assert "2.65" in page
    assert not ApprovalRequest.objects.exists()


def test_a_request_is_asked_once_decided_by_another_and_done_once(player: UUID) -> None:
    olga, anna = at_desk("olga"), at_desk("anna")
    request = asked(olga, player)
    again = olga.post(reverse(ASK, args=["adjustment"]), asking(player=str(player), step="ask"))
    assert again.status_code == 302
    assert ApprovalRequest.objects.count() == 1
    page = reverse("admin:ledger_approvalrequest_change", args=[request.pk])
    assert "Withdraw" in olga.get(page).content.decode()
    assert "Approve" in anna.get(page).content.decode()
    assert "ticket 12" in anna.get(reverse("admin:ledger_approvalrequest_waiting")).content.decode()
    approve = reverse("admin:ledger_approvalrequest_approve", args=[request.pk])
    assert olga.post(approve, {"word": ""}).status_code == 403
    assert not ApprovalDecision.objects.exists()
    assert "Balances before and after" in anna.get(approve).content.decode()
    for _ in range(2):
        assert anna.post(approve, {"word": "seen"}).status_code == 302
    assert JournalEntry.objects.filter(kind="adjustment").count() == 1
    assert book.balances([player])[player]["player:usd"] == Decimal("2.65")
    stale = at_desk("bert").post(reverse("admin:ledger_approvalrequest_refuse", args=[request.pk]), {"word": "no"})
    assert "decided before" in stale.content.decode()
    assert "usd:adjustments" in anna.get(page).content.decode()


def test_a_refusal_says_why_and_who_asked_withdraws(player: UUID) -> None:
    olga, anna = at_desk("olga"), at_desk("anna")
    request = asked(olga, player)
    refuse = reverse("admin:ledger_approvalrequest_refuse", args=[request.pk])
    assert anna.post(refuse, {"word": ""}).status_code == 200
    assert anna.post(refuse, {"word": "no such ticket"}).status_code == 302
    assert ApprovalDecision.objects.get().verdict == "refused"


def test_nonsense_is_refused_in_words_and_asks_for_nothing(player: UUID) -> None:
    client = at_desk("olga")
    address = reverse(ASK, args=["adjustment"])
    for wrong in (
        {"amount_1": "1e9"},
        {"amount_1": "-1"},
        {"credit_1": "usd:adjustments"},
        {"player": "x"},
        {"player": ""},
        {"reason_code": ""},
        {"debit_1": ""},
    ):
        for step in ("look", "ask"):
            answer = client.post(address, asking(**{"player": str(player), "step": step, **wrong}))
            assert answer.status_code == 200, wrong
    assert not ApprovalRequest.objects.exists()
    assert client.get(reverse(ASK, args=["nothing"])).status_code == 404


def test_what_was_typed_comes_back_to_be_changed(player: UUID) -> None:
    shown = at_desk("olga").post(reverse(ASK, args=["adjustment"]), asking(player=str(player), step="change"))
    page = shown.content.decode()
    assert 'value="ticket 12"' in page
    assert "Balances before and after" not in page
    assert not ApprovalRequest.objects.exists()


def test_a_row_leads_to_the_requests_about_it_that_make_sense(player: UUID) -> None:
    olga = at_desk("olga")
    for kind in book.registered_kinds():
        if kind is not UNDOING:  # another test's, and nobody's to ask
            assert olga.get(reverse(ASK, args=[kind.code])).status_code == 200
    entry = "admin:ledger_journalentry_change"
    converted = olga.get(reverse(entry, args=[JournalEntry.objects.latest("id").pk])).content.decode()
    assert "ask/reversal/" not in converted  # a conversion is not reversed by hand
    assert "ask/adjustment/?corrects=" in converted
    gift = {"debit": "usd:rewards-expense", "credit": "player:usd", "amount": "1"}
    [made] = approved("adjustment", {"player": str(player), "postings": [gift]}).entry_ids
    page = olga.get(reverse(entry, args=[made])).content.decode()
    assert f"ask/reversal/?entry={made}&amp;player={player}" in page
    assert "ask/reversal/" not in at_desk("viola").get(reverse(entry, args=[made])).content.decode()
    reverse_by_hand(made, player=player)
    assert "ask/reversal/" not in olga.get(reverse(entry, args=[made])).content.decode()


def test_a_request_that_went_stale_says_so_and_is_not_approved(player: UUID) -> None:
    """A page that was opened before: the click on it writes nothing and says why."""
    gift = {"debit": "usd:rewards-expense", "credit": "player:usd", "amount": "1"}
    [made] = approved("adjustment", {"player": str(player), "postings": [gift]}).entry_ids
    late = asked_for("adjustment", {"player": str(player), "postings": [gift], "corrects": str(made)}, reference="t-2")
    anna = at_desk("anna")
    approve = reverse("admin:ledger_approvalrequest_approve", args=[late.id])
    assert "Balances before and after" in anna.get(approve).content.decode()
    reverse_by_hand(made, player=player)
    assert "moved since it was asked" in anna.post(approve, {"word": ""}).content.decode()
    page = anna.get(reverse("admin:ledger_approvalrequest_change", args=[late.id])).content.decode()
    assert "What it stands on has moved" in page
    assert "/approve/" not in page
    assert "/refuse/" in page
    assert ApprovalDecision.objects.filter(request=late.id).count() == 0


def test_who_has_no_right_to_ask_or_decide_does_neither(player: UUID) -> None:
    request = asked(at_desk("olga"), player)
    viola = at_desk("viola")
    assert viola.get(reverse("admin:ledger_approvalrequest_change", args=[request.pk])).status_code == 200
    assert viola.get(reverse(ASK, args=["adjustment"])).status_code == 403
    for verb in ("approve", "refuse", "withdraw"):
        answer = viola.post(reverse(f"admin:ledger_approvalrequest_{verb}", args=[request.pk]), {"word": "x"})
        assert answer.status_code == 403
    assert not ApprovalDecision.objects.exists()


def test_a_superuser_does_not_approve_what_he_asked_either(player: UUID) -> None:
    boss = Client()
    boss.force_login(a_person("boss", is_superuser=True))
    request = asked(boss, player)
    answer = boss.post(reverse("admin:ledger_approvalrequest_approve", args=[request.pk]), {"word": ""})
    assert "does not decide" in answer.content.decode()
    assert not ApprovalDecision.objects.exists()


def test_nobody_asks_or_approves_beyond_the_limit_of_the_group(player: UUID) -> None:
    olga = at_desk("olga")
    too_much = asking(player=str(player), amount_1="10001", step="ask")
    assert "limit" in olga.post(reverse(ASK, args=["adjustment"]), too_much).content.decode()
    assert not ApprovalRequest.objects.exists()


def test_the_first_page_counts_what_waits_and_leads_there(player: UUID) -> None:
    asked(at_desk("olga"), player)
    page = at_desk("anna").get(reverse("admin:index")).content.decode()
    assert "Requests to decide" in page
    assert reverse("admin:ledger_approvalrequest_waiting") in page


# --- The kinds of the conversion -----------------------------------------------------------------------------------


def carried(code: str, given: dict[str, str]) -> ApprovalRequest:
    """Asked by olga and approved by anna, through the pages; each twice."""
    olga, anna = at_desk("olga"), at_desk("anna")
    page = reverse(ASK, args=[code])
    look = olga.post(page, given | {"step": "look"})
    assert "Ask for it" in look.content.decode(), look.content.decode()[-3000:]
    for _ in range(2):
        assert olga.post(page, given | {"step": "ask"}).status_code == 302
    [request] = ApprovalRequest.objects.filter(kind=code)
    for _ in range(2):
        approve = reverse("admin:ledger_approvalrequest_approve", args=[request.pk])
        assert anna.post(approve, {"word": "seen"}).status_code == 302
    assert ApprovalDecision.objects.get(request=request).verdict == "approved"
    return request


def test_fees_are_paid_once_and_never_beyond_what_is_owed(player: UUID) -> None:
    olga = at_desk("olga")
    payment = {"amount": "0.001", "reason_code": "invoice", "reference": "bank-1", "note": ""}
    for amount in ("100", "0", "-1", "NaN", "1e-9", "x", ""):
        for step in ("look", "ask"):
            answer = olga.post(reverse(ASK, args=["fee-settlement"]), payment | {"amount": amount, "step": step})
            assert answer.status_code == 200
    assert not ApprovalRequest.objects.exists()
    assert "ask/fee-settlement/" in olga.get(reverse("admin:conversion_feesettlement_changelist")).content.decode()
    carried("fee-settlement", payment)
    assert [(each.reference, each.amount) for each in FeeSettlement.objects.all()] == [("bank-1", Decimal("0.001"))]


def test_a_fee_rule_is_added_by_two_people_who_see_what_changes() -> None:
    olga = at_desk("olga")
    assert "ask/fee-rule/" in olga.get(reverse("admin:conversion_feerule_changelist")).content.decode()
    rule = {
        "effective_from": "2030-01-01T00:00",
        "provider": "desk",
        "percentage": "0.02",
        "fixed": "",
        "minimum": "0.5",
    }
    why = {"reason_code": "contract", "reference": "contract 7", "note": ""}
    look = olga.post(reverse(ASK, args=["fee-rule"]), rule | why | {"step": "look"}).content.decode()
    for shown in ("What would change", "0.02", "0.5", "0.01"):
        assert shown in look
    carried("fee-rule", rule | why)
    made = FeeRule.objects.get(provider="desk")
    assert (made.percentage, made.fixed, made.minimum) == (Decimal("0.02"), 0, Decimal("0.5"))
    page = at_desk("viola").get(reverse("admin:conversion_feerule_change", args=[made.pk])).content.decode()
    assert "the request of two people" in page


def test_a_rate_that_is_held_back_passes_by_two_people() -> None:
    record_wins(game_id=a_game().id, claims=[a_claim(a_player(), "1", won_at=NOON)], now=NOON)
    convert_due_hours(now=NOON + hours(1))
    later = NOON + hours(1)
    record_wins(game_id=a_game().id, claims=[a_claim(a_player(), "1", won_at=later)], now=later)
    with override_settings(RATE_FIXED_PRICE="0.60"):
        convert_due_hours(now=later + hours(1))
    rate = Rate.objects.get(state="quarantined")
    page = reverse("admin:conversion_rate_change", args=[rate.pk])
    olga = at_desk("olga")
    assert f"ask/quarantined-rate/?rate={rate.pk}" in olga.get(page).content.decode()
    carried("quarantined-rate", {"rate": str(rate.pk), "reason_code": "confirmed", "reference": "call", "note": ""})
    assert Rate.objects.get(decides=rate).price == Decimal("0.60")
    shown = at_desk("viola").get(page).content.decode()
    assert "approved" in shown
    assert "ask/quarantined-rate/" not in shown
