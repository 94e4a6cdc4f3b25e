"""Which of our media types a caller takes (RFC 9110, section 12.5.1)."""

import re
from collections.abc import Iterable

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

RULED_OUT = re.compile(r";\s*q\s*=\s*0(\.0*)?\s*(;|$)", re.IGNORECASE)
ANYTHING, NOTHING = "*/*", "none/none"


class Negotiation(DefaultContentNegotiation):
    """DRF's, which reads no weights: here `application/json;q=0` rules JSON out. An empty header says nothing.

    Parameters of a media range change nothing about an answer: DRF would indent JSON by one of them.
    """

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The renderer and the media type of the answer; without a look at the ranges for who sends what most send."""
        ours = next(iter(renderers))
        if request.META.get("HTTP_ACCEPT", ANYTHING) in {ANYTHING, ours.media_type} and not format_suffix:
            return ours, ours.media_type
        chosen: tuple[BaseRenderer, str] = super().select_renderer(request, renderers, format_suffix)
        return chosen

    def get_accept_list(self, request: Request) -> list[str]:
        """The media ranges that the caller takes, without parameters."""
        if not request.headers.get("Accept", "").strip(" \t,"):
            return [ANYTHING]
        given = super().get_accept_list(request)
        wanted = [each.partition(";")[0].strip() for each in given if not RULED_OUT.search(each)]
        return wanted or [NOTHING]
