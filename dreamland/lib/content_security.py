"""What a page may load and run: a Content-Security-Policy on every answer (W3C CSP Level 3).

`unsafe-eval` stands in the back-office alone, because unfold's Alpine.js evaluates the expressions in its attributes.
Nothing there loads from another host, runs a script that stands in the page, or is shown in somebody's frame.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

COMMON = "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
OWN_FILES = "default-src 'none'; img-src 'self' data:; font-src 'self'; connect-src 'self'"
INLINE_STYLES = "style-src 'self' 'unsafe-inline'"  # unfold's theme colours, Swagger UI's layout
BACK_OFFICE = f"{OWN_FILES}; {INLINE_STYLES}; script-src 'self' 'unsafe-eval'; {COMMON}"
PAGES = f"{OWN_FILES}; {INLINE_STYLES}; script-src 'self'; {COMMON}"
HEADER = "Content-Security-Policy"


class ContentSecurityMiddleware:
    """Names the policy of each answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if HEADER not in response:
            inside = request.path_info.startswith(settings.BACK_OFFICE_URL)
            response[HEADER] = BACK_OFFICE if inside else PAGES
        return response
