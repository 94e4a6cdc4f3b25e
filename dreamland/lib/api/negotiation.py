"""Which of our media types a caller takes (RFC 9110, section 12.5.1)."""

import re

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request

RULED_OUT = re.compile(r";\s*q\s*=\s*0(\.0*)?\s*(;|$)", re.IGNORECASE)
ANYTHING, NOTHING = "*/*", "none/none"


class Negotiation(DefaultContentNegotiation):
    """DRF's, which reads no weights: here `application/json;q=0` rules JSON out. An empty header says nothing.

    Parameters of a media range change nothing about an answer: DRF would indent JSON by one of them.
    """

    def get_accept_list(self, request: Request) -> list[str]:
        """The media ranges that the caller takes, without parameters."""
        if not request.headers.get("Accept", "").strip(" \t,"):
            return [ANYTHING]
        given = super().get_accept_list(request)
        wanted = [each.partition(";")[0].strip() for each in given if not RULED_OUT.search(each)]
        return wanted or [NOTHING]
