"""What is past its time goes: counts of tries, old records of sign-ins, dead sessions."""

from datetime import timedelta

from celery import shared_task
from django.core.management import call_command
from django.utils import timezone

from dreamland.staff.records import forget_sign_ins, past_its_time
from dreamland.staff.throttle import forget_windows

WINDOWS_KEPT = timedelta(days=1)


@shared_task(name="staff.forget")
def forget() -> None:
    """Harmless to run twice, and nothing depends on it."""
    now = timezone.now()
    forget_windows(before=now - WINDOWS_KEPT)
    forget_sign_ins(before=past_its_time(now))
    call_command("clearsessions")
