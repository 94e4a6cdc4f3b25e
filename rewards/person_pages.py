"""The person behind a player, for those few who may: looked at, exported, erased, found by an address.

Whoever looks says why, and it is recorded before anything is shown. No cache keeps these pages.
"""

from dataclasses import asdict
from tempfile import TemporaryFile
from typing import Any, cast
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from dreamland.lib.api.request_id import request_id
from dreamland.lib.columns import page_address
from dreamland.lib.deeds import Deed, only_for, perform
from dreamland.lib.forms import words
from dreamland.lib.pages import Block, Door, Facts, Link, Notice, Page, Table, render
from dreamland.lib.trail.looks import Viewer, record_look
from dreamland.lib.trail.models import REASON_MAX_LENGTH
from ledger import book
from rewards.erasing import erase_player, find_erasure
from rewards.models import Player
from rewards.portability import export_player
from rewards.profile_values import EMAIL_MAX_LENGTH, email_value
from rewards.profiles import find_players, read_profile

LOOK, EXPORT, ERASE = "rewards.view_profile", "rewards.export_player", "rewards.erase_player"
FOUND_SHOWN = 50


def why() -> forms.CharField:
    """The field that nobody passes without a word."""
    return words("Why", max_length=REASON_MAX_LENGTH, help_text="The number of the request, say. It is recorded.")


class Why(forms.Form):
    reason = why()


def is_address(text: str) -> None:
    """Raises Django's ValidationError for what is no address."""
    email_value(text)


class Address(forms.Form):
    email = forms.CharField(
        label="E-mail",
        max_length=EMAIL_MAX_LENGTH,
        validators=[is_address],
        widget=UnfoldAdminTextInputWidget(attrs={"type": "email", "autocomplete": "off"}),
    )
    reason = why()


class Erase(forms.Form):
    leave_open = forms.BooleanField(
        label="Also with money open",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="The person knows that nobody can pay it out any more.",
    )


def players_path() -> list[tuple[str, str]]:
    return [("Players", reverse("admin:rewards_player_changelist"))]


def player_path(player: Player) -> list[tuple[str, str]]:
    return [*players_path(), (f"Player {str(player.pk)[:8]}…", page_address("rewards_player", player.pk))]


def person_doors(request: HttpRequest, player: Player) -> list[Door]:
    """The ways from a player to the person, for those who may go them."""
    ways = [
        (LOOK, "Person", "rewards_player_person", "badge"),
        (EXPORT, "Export everything", "rewards_player_export", "download"),
        (ERASE, "Erase", "rewards_player_erase", "delete_forever"),
    ]
    return [
        Door(text, reverse(f"admin:{name}", args=[player.pk]), icon=icon)
        for permission, text, name, icon in ways
        if request.user.has_perm(permission)
    ]


@never_cache
@only_for(LOOK)
def person(request: HttpRequest, player_id: str) -> HttpResponse:
    """What is known about the person, once it is said why."""
    player = _player(player_id)

    def show(asked: dict[str, Any]) -> HttpResponse:
        record_look(viewer=_viewer(request), subject=player.pk, what="profile", reason=asked["reason"])
        profile = read_profile(player.pk)
        known = [(name.capitalize(), value) for name, value in asdict(profile).items()] if profile else []
        blocks: list[Block] = [Facts(known)] if known else [Notice("Nothing is known about this person.")]
        return render(request, Page("The person", [*blocks, *_erasure(player)], path=player_path(player)))

    return perform(
        request,
        Deed("The person", "Show", show, page_address("rewards_player", player.pk), form=Why, path=player_path(player)),
    )


@never_cache
@only_for(EXPORT)
def export(request: HttpRequest, player_id: str) -> HttpResponse:
    """Everything that is keyed to the player, as a file."""
    player = _player(player_id)

    def write(asked: dict[str, Any]) -> HttpResponse:
        with TemporaryFile("w+", encoding="utf-8") as file:
            viewer = _viewer(request)
            export_player(player_id=player.pk, viewer=viewer, reason=asked["reason"], to=file, now=timezone.now())
            file.seek(0)
            answer = HttpResponse(file, content_type="application/json")
        answer["Content-Disposition"] = f'attachment; filename="{player.pk}.json"'
        return answer

    told = Notice("One JSON document with the profile in clear. Give it to nobody but the person.", "warning")
    return perform(
        request,
        Deed(
            "Export everything",
            "Write the file",
            write,
            page_address("rewards_player", player.pk),
            form=Why,
            explain=[told],
            path=player_path(player),
        ),
    )


@never_cache
@only_for(ERASE)
def erase(request: HttpRequest, player_id: str) -> HttpResponse:
    """The end of what is known about the person."""
    player = _player(player_id)

    def end(asked: dict[str, Any]) -> str:
        user_id = cast("int", request.user.pk)
        erased = erase_player(player_id=player.pk, now=timezone.now(), user_id=user_id, leave_open=asked["leave_open"])
        kept = f"the minimum is kept until {erased.retain_until}" if erased.retain_until else "nothing is kept"
        return f"The player is erased; {kept}."

    shares = book.balances([player.pk])[player.pk]
    explain: list[Block] = [
        Facts([("Player", str(player.pk)), *((account, amount) for account, amount in sorted(shares.items()))]),
        Notice(
            "Profile and key are destroyed, and nothing is won any more. The books stay under the id. "
            "There is no way back.",
            "danger",
        ),
        *_erasure(player),
    ]
    return perform(
        request,
        Deed(
            "Erase a player",
            "Erase for good",
            end,
            page_address("rewards_player", player.pk),
            form=Erase,
            explain=explain,
            path=player_path(player),
            danger=True,
        ),
    )


@never_cache
@only_for(LOOK)
def find(request: HttpRequest) -> HttpResponse:
    """The players of an e-mail address, by its blind index: no profile is opened for it."""

    def look_up(asked: dict[str, Any]) -> HttpResponse:
        found = find_players(email=asked["email"])[:FOUND_SHOWN]
        for player_id in found:
            record_look(viewer=_viewer(request), subject=player_id, what="address", reason=asked["reason"])
        rows = [[Link(str(player_id), page_address("rewards_player", player_id))] for player_id in found]
        table = Table(headers=["Player"], rows=rows, empty="No player has this address.")
        return render(request, Page("Players of an address", [table], path=players_path()))

    back = reverse("admin:rewards_player_changelist")
    return perform(request, Deed("Find by e-mail", "Find", look_up, back, form=Address, path=players_path()))


def _erasure(player: Player) -> list[Block]:
    erased = find_erasure(player.pk)
    if erased is None:
        return []
    return [Facts([("Erased at", erased.erased_at), ("Kept on", erased.basis), ("Until", erased.retain_until)])]


def _viewer(request: HttpRequest) -> Viewer:
    match = request.resolver_match
    assert match is not None
    return Viewer(cast("int", request.user.pk), match.view_name, request_id(request))


def _player(text: str) -> Player:
    try:
        return Player.objects.get(pk=UUID(text))
    except (ValueError, Player.DoesNotExist) as error:
        raise Http404 from error
