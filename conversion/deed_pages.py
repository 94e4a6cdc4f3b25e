"""What one person alone does about the conversion by hand: try an hour again. Whatever changes money or its rules is a
request that two people carry (conversion.kinds)."""

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from kombu.exceptions import OperationalError

from conversion import pages
from conversion.models import ConversionRun
from conversion.runs import pending_players
from conversion.selectors import database_clock
from conversion.services import convert_hour
from conversion.tasks import convert_due_hours_task
from dreamland.lib.columns import page_address
from dreamland.lib.deeds import Deed, only_for, perform
from dreamland.lib.errors import DomainError
from dreamland.lib.pages import Facts, Notice

RETRY = "conversion.change_conversionrun"


class CannotRing(DomainError):
    """The broker is away, so no worker hears of it."""

    code = "unavailable"


@only_for(RETRY)
def retry(request: HttpRequest, run_id: str) -> HttpResponse:
    """The hour once more: what the tick does, without waiting for it."""
    run = ConversionRun.objects.filter(pk=run_id).first()
    if run is None:
        raise Http404

    def again(_: dict[str, Any]) -> str:
        if pending_players([run.hour]) > settings.CONVERSION_PLAYERS_PER_CHUNK:
            try:
                convert_due_hours_task.apply_async(retry=False)
            except OperationalError as error:
                raise CannotRing("the broker does not answer; the tick will try this hour by itself") from error
            return "A worker was told. It converts every hour that is due."
        outcome = convert_hour(hour=run.hour, now=database_clock())
        if outcome.state == ConversionRun.State.DONE:
            return f"Converted: {outcome.conversions} conversions."
        return f"It still waits: {pages.why(outcome.reason)}."

    return perform(
        request,
        Deed(
            f"Try again: {pages.hour_text(run.hour)}",
            "Try it now",
            again,
            page_address("conversion_conversionrun", run.pk),
            path=[("Runs", reverse("admin:conversion_conversionrun_changelist"))],
            explain=[
                Facts([("State", run.state), ("Waits because", pages.why(run.reason))]),
                Notice("Twice does it once: what is converted stays as it is.", "info"),
            ],
        ),
    )
