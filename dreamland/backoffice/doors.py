"""Ways between pages of different apps that none of them could know of."""

from collections.abc import Iterator

from django.http import HttpRequest

from dreamland.lib.pages import Door
from ledger.approval_pages import ask_address
from ledger.approvals.kinds import kind_of
from ledger.approvals.rights import ASK
from rewards.models import Game, GameKey

KEYS_SHOWN = 4


def void_doors(request: HttpRequest, game: Game) -> Iterator[Door]:
    """From a game to asking that what one of its newest keys reported be taken back."""
    kind = kind_of("void-of-many")
    if request.user.has_perm(kind.permission(ASK)):
        for key in GameKey.objects.filter(game=game).order_by("-created_at")[:KEYS_SHOWN]:
            address = ask_address(kind, f"key={key.pk}")
            yield Door(f"Ask for a void of wins of {key.pk[:8]}", address, icon="rate_review")
