"""The doorbells of a region and of the centre: each asks the database what there is to do, and twice does it once."""

from celery import shared_task
from django.utils import timezone

from dreamland.world.hours import close_hours, give_beat
from dreamland.world.rates import publish_rates


@shared_task(name="world.tell_centre")
def tell_centre_task() -> None:
    """Closes the hours that are over, and gives a sign of life."""
    close_hours()
    give_beat()


@shared_task(name="world.publish_rates")
def publish_rates_task() -> None:
    """At the centre: asks for the rates of the hours that are over."""
    publish_rates(now=timezone.now())
