"""The record of who was shown whose personal data."""

from dataclasses import asdict, dataclass
from uuid import UUID

from django.db import connection

from dreamland.lib.errors import named_refusals
from dreamland.lib.trail.errors import REFUSALS

RECORD = """
    INSERT INTO trail_look (user_id, username, subject, what, reason, place, request_id)
    SELECT id, username, %(subject)s, %(what)s, %(reason)s, %(place)s, %(request_id)s
    FROM auth_user WHERE id = %(user_id)s
    RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks, on which page or by which command, and in which request."""

    user_id: int
    place: str
    request_id: str = ""


def record_look(*, viewer: Viewer, subject: UUID, what: str, reason: str) -> UUID:
    """Records that the viewer is shown `what` of `subject`, and returns the record's id. Call it before you show.

    `reason`: why, in the person's own words, at most 200 characters. Runs in the caller's transaction, if there is one:
    commit before the data leaves the house. Raises ReasonMissing and ReasonTooLong.
    """
    given = {**asdict(viewer), "subject": subject, "what": what, "reason": reason}
    with named_refusals(REFUSALS), connection.cursor() as cursor:
        cursor.execute(RECORD, given)
        row = cursor.fetchone()
    if row is None:
        raise AssertionError("nobody of that id looks")
    identifier: UUID = row[0]
    return identifier
