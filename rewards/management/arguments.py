"""Arguments that the commands about keys and tokens share."""

import argparse
import re
from datetime import UTC, datetime, timedelta

from rest_framework.exceptions import ValidationError

from dreamland.lib.api.fields import InstantField

SPAN = re.compile(r"([1-9][0-9]{0,3})([hd])")
UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1)}


def span(text: str) -> timedelta:
    """A span of time: `24h`, `90d`; `0` for none."""
    found = SPAN.fullmatch(text)
    if text == "0":
        return timedelta(0)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no span such as 24h or 90d")
    return int(found[1]) * UNITS[found[2]]


def expiry(text: str) -> datetime:
    """An instant to come, as RFC 3339 or as a span from now: `2027-01-01T00:00:00Z`, `90d`."""
    now = datetime.now(UTC)
    try:
        when = now + span(text) if SPAN.fullmatch(text) else InstantField().to_internal_value(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither an RFC 3339 time with an offset nor a span such as 90d"
        ) from error
    if when <= now:
        raise argparse.ArgumentTypeError(f"{text} is over")
    return when
