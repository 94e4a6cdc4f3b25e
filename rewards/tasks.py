"""The doorbell of what is past its date: it asks the database, and twice does it once."""

from celery import shared_task
from django.utils import timezone

from rewards.erasing import forget_retained


@shared_task(name="rewards.forget_retained")
def forget_retained_task() -> None:
    """Destroys what was kept of erased players until a date that is over."""
    forget_retained(now=timezone.now())
