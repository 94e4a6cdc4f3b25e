"""What a profile may say: three values, each exactly right or refused, and one spelling for each meaning.

Refusals never repeat a value: they could end in a game's own logs.
"""

import re
import unicodedata
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator

from rewards.errors import InvalidProfile

NAME_MAX_LENGTH = 200
EMAIL_MAX_LENGTH = 254  # RFC 5321, section 4.5.3.1.3, less the brackets
EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]+")  # no quotes and no address literals
COUNTRY_LENGTH = 2
COUNTRY = re.compile(r"[A-Z]{2}")
# Cc: control, Cs: lone surrogate, Zl and Zp: line and paragraph. Cf (joiners of Persian and Indic names) is allowed but
# for the marks that turn the direction of the text around them.
UNSPEAKABLE_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
DIRECTIONS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@cache
def country_codes() -> frozenset[str]:
    """The codes of ISO 3166-1 alpha-2, as the IANA time zone database carries them."""
    lines = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8").splitlines()
    return frozenset(line[:2] for line in lines if not line.startswith("#"))


def name_value(text: str) -> str:
    """A name as it is kept: Unicode NFC. Raises Django's ValidationError."""
    kept = unicodedata.normalize("NFC", text)
    if not kept or kept != kept.strip():
        raise ValidationError("a name has no blanks around it", code="invalid")
    if len(kept) > NAME_MAX_LENGTH:
        raise ValidationError(f"a name has at most {NAME_MAX_LENGTH} characters", code="invalid")
    if DIRECTIONS & set(kept) or any(unicodedata.category(letter) in UNSPEAKABLE_CATEGORIES for letter in kept):
        raise ValidationError("a name has no control characters, line breaks or marks of direction", code="invalid")
    return kept


def email_value(text: str) -> str:
    """An e-mail address as it is kept: ASCII, the domain in lower case. Raises Django's ValidationError.

    What stands before the @ is kept as it was sent: only its own server knows whether case means something there.
    """
    try:
        if len(text) > EMAIL_MAX_LENGTH or not EMAIL.fullmatch(text):
            raise ValidationError("")
        EmailValidator(allowlist=[])(text)
    except ValidationError:
        raise ValidationError(
            f"this is no e-mail address in ASCII of at most {EMAIL_MAX_LENGTH} characters", "invalid"
        ) from None
    before, _, domain = text.rpartition("@")
    return f"{before}@{domain.lower()}"


def email_key(email: str) -> bytes:
    """What addresses that reach the same person in practice have in common: what is looked up by."""
    return b"email:" + email.casefold().encode()


def country_value(text: str) -> str:
    """A country of residence. Raises Django's ValidationError."""
    if text not in country_codes():
        raise ValidationError("a country is a code of ISO 3166-1 alpha-2 such as CH", code="invalid")
    return text


RULES = {"name": name_value, "email": email_value, "country": country_value}


@dataclass(frozen=True, slots=True)
class ProfileFacts:
    """What is known about the person behind a player; nothing of it shows in a log. Made by `profile_of` alone."""

    name: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    country: str | None = field(default=None, repr=False)

    @property
    def said(self) -> dict[str, str]:
        """Only what was said, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def profile_of(given: dict[str, Any]) -> ProfileFacts:
    """The profile that says just this, in its one spelling. Raises InvalidProfile for an empty one or a bad value."""
    if unknown := set(given) - set(RULES):
        raise InvalidProfile("there is no such field", field=f"profile/{min(unknown)}")
    if not given:
        raise InvalidProfile("a profile says something; null removes it", field="profile")
    kept: dict[str, str] = {}
    for name, value in given.items():
        try:
            kept[name] = RULES[name](value)
        except ValidationError as error:
            raise InvalidProfile(error.messages[0], field=f"profile/{name}") from None
    return ProfileFacts(**kept)
