"""The record of who came in and who was refused."""

from datetime import datetime, timedelta
from ipaddress import ip_address

from django.conf import settings
from django.db import connection

from dreamland.staff.models import SignIn

RECORD = """
    INSERT INTO staff_signin (user_id, username, outcome, address, request_id)
    VALUES ((SELECT id FROM auth_user WHERE username = %(username)s),
            coalesce((SELECT username FROM auth_user WHERE username = %(username)s), ''),
            %(outcome)s, %(address)s::inet, %(request_id)s)
"""


def record_sign_in(*, username: str, outcome: SignIn.Outcome, address: str, request_id: str) -> None:
    """Records what came of a try. The same statement whether there is such an account or not."""
    with connection.cursor() as cursor:
        cursor.execute(
            RECORD,
            {
                "username": username,
                "outcome": str(outcome),
                "address": _valid(address),
                "request_id": request_id,
            },
        )


def forget_sign_ins(*, before: datetime) -> int:
    """Removes records from before; how many. PostgreSQL refuses what is younger than a year."""
    deleted, _ = SignIn.objects.filter(at__lt=before).delete()
    return deleted


def past_its_time(now: datetime) -> datetime:
    """Before when the records of sign-ins are removed (settings.STAFF_SIGN_INS_KEPT)."""
    kept: timedelta = settings.STAFF_SIGN_INS_KEPT
    return now - kept


def _valid(address: str) -> str | None:
    try:
        return str(ip_address(address))
    except ValueError:
        return None
