"""Games and their keys, by hand: a new game, a new key, its successor, its end. The services do it (rewards.keys)."""

from datetime import timedelta
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from dreamland.lib.columns import page_address
from dreamland.lib.deeds import Deed, only_for, perform
from dreamland.lib.forms import choice, words
from dreamland.lib.pages import Facts, Notice, Page, render
from rewards.keys import ROTATION_OVERLAP, IssuedKey, create_game_key, revoke_game_key, rotate_game_key
from rewards.models import Game, GameKey, OverCap, Scope
from rewards.services import create_game, set_game_policy

ADD_GAME, CHANGE_GAME = "rewards.add_game", "rewards.change_game"
ADD_KEY, CHANGE_KEY = "rewards.add_gamekey", "rewards.change_gamekey"
OVERLAP_HOURS = int(ROTATION_OVERLAP.total_seconds() // 3600)
OVERLAP_HOURS_MAX = 168


class NewGame(forms.Form):
    slug = forms.SlugField(
        max_length=64, widget=UnfoldAdminTextInputWidget(), help_text="For ever; lower case, digits and hyphens."
    )
    name = words("Name", max_length=200)
    over_cap = choice("Wins over the cap", OverCap.choices)

    def clean_slug(self) -> str:
        slug = str(self.cleaned_data["slug"])
        if Game.objects.filter(slug=slug).exists():
            raise forms.ValidationError("There is a game of that slug already.")
        return slug


class NewPolicy(forms.Form):
    over_cap = choice("Wins over the cap", OverCap.choices, help_text="From the next win on; wins that stand stay.")


class NewKey(forms.Form):
    scopes = forms.MultipleChoiceField(
        label="The key may",
        choices=Scope.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        initial=Scope.values,
    )
    days = forms.IntegerField(
        label="Expires after days",
        min_value=1,
        max_value=3_650,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
        help_text="Empty: never.",
    )


class Overlap(forms.Form):
    hours = forms.IntegerField(
        label="Hours that the old key still lives",
        min_value=0,
        max_value=OVERLAP_HOURS_MAX,
        initial=OVERLAP_HOURS,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
    )


def games_path() -> list[tuple[str, str]]:
    return [("Games", reverse("admin:rewards_game_changelist"))]


def game_path(game: Game) -> list[tuple[str, str]]:
    return [*games_path(), (game.slug, page_address("rewards_game", game.pk))]


@only_for(ADD_GAME)
def new_game(request: HttpRequest) -> HttpResponse:
    """A game that may report wins, once it has a key."""

    def make(asked: dict[str, Any]) -> str:
        game = create_game(slug=asked["slug"], name=asked["name"], over_cap=OverCap(asked["over_cap"]))
        return f"Game {game.slug} is there. It needs a key to report wins."

    back = reverse("admin:rewards_game_changelist")
    return perform(request, Deed("New game", "Make the game", make, back, form=NewGame, path=games_path()))


@only_for(CHANGE_GAME)
def game_policy(request: HttpRequest, game_id: str) -> HttpResponse:
    """What becomes of the game's wins over the cap."""
    game = _game(game_id)

    def change(asked: dict[str, Any]) -> str:
        set_game_policy(slug=game.slug, over_cap=OverCap(asked["over_cap"]))
        return f"From the next win on: {asked['over_cap']}."

    return perform(
        request,
        Deed(
            f"Wins over the cap: {game.slug}",
            "Change it",
            change,
            page_address("rewards_game", game.pk),
            form=NewPolicy,
            initial={"over_cap": game.over_cap},
            path=game_path(game),
        ),
    )


@only_for(ADD_KEY)
def new_key(request: HttpRequest, game_id: str) -> HttpResponse:
    """A key for a game; its secret is shown once."""
    game = _game(game_id)

    def issue(asked: dict[str, Any]) -> HttpResponse:
        days = asked["days"]
        expires_at = timezone.now() + timedelta(days=days) if days else None
        return shown_once(
            request, game, create_game_key(game_id=game.pk, scopes=asked["scopes"], expires_at=expires_at)
        )

    return perform(
        request,
        Deed(
            f"New key for {game.slug}",
            "Make the key",
            issue,
            page_address("rewards_game", game.pk),
            form=NewKey,
            initial={"scopes": Scope.values},
            path=game_path(game),
            explain=[Notice("The secret is shown once, on the next page, and kept nowhere.", "info")],
        ),
    )


@only_for(ADD_KEY, CHANGE_KEY)
def rotate(request: HttpRequest, key_id: str) -> HttpResponse:
    """A successor of a key; the old one lives for some hours more."""
    key = _key(key_id)

    def succeed(asked: dict[str, Any]) -> HttpResponse:
        issued = rotate_game_key(key_id=key.pk, overlap=timedelta(hours=asked["hours"]))
        return shown_once(request, key.game, issued)

    return perform(
        request,
        Deed(
            f"Rotate key {key.pk}",
            "Make its successor",
            succeed,
            page_address("rewards_game", key.game_id),
            form=Overlap,
            path=game_path(key.game),
            initial={"hours": OVERLAP_HOURS},
            explain=[
                Facts([("Game", key.game.slug), ("Key", key.pk), ("May", ", ".join(key.scopes))]),
                Notice("The successor may do the same. Its secret is shown once, on the next page.", "info"),
            ],
        ),
    )


@only_for(CHANGE_KEY)
def revoke(request: HttpRequest, key_id: str) -> HttpResponse:
    """The end of a key, at once and for good."""
    key = _key(key_id)

    def end(_: dict[str, Any]) -> str:
        revoke_game_key(key_id=key.pk)
        return f"Key {key.pk} opens nothing any more."

    return perform(
        request,
        Deed(
            f"Revoke key {key.pk}",
            "Revoke it for good",
            end,
            page_address("rewards_game", key.game_id),
            path=game_path(key.game),
            danger=True,
            explain=[
                Facts([("Game", key.game.slug), ("Key", key.pk), ("Last used", key.last_used_at)]),
                Notice("From the next call on this key opens nothing. There is no way back.", "danger"),
            ],
        ),
    )


def shown_once(request: HttpRequest, game: Game, issued: IssuedKey) -> HttpResponse:
    """The new key, here and nowhere else: no cache keeps this page."""
    answer = render(
        request,
        Page(
            f"Key {issued.key_id}",
            [
                Notice("Copy the key now. It is shown once, and nobody can show it again.", "warning"),
                Facts([("Game", game.slug), ("Key", issued.plaintext), ("Expires", issued.expires_at)]),
            ],
            path=game_path(game),
        ),
    )
    answer["Cache-Control"] = "no-store"
    return answer


def _game(game_id: str) -> Game:
    game = Game.objects.filter(pk=game_id).first()
    if game is None:
        raise Http404
    return game


def _key(key_id: str) -> GameKey:
    key = GameKey.objects.select_related("game").filter(pk=key_id).first()
    if key is None:
        raise Http404
    return key
