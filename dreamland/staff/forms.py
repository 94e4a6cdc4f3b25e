"""The forms of signing in and of the second factor."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from unfold.forms import AuthenticationForm
from unfold.widgets import BASE_INPUT_CLASSES, UnfoldAdminTextareaWidget

from dreamland.lib.api.limits import address_of
from dreamland.lib.api.request_id import request_id
from dreamland.staff.errors import TooManyAttempts
from dreamland.staff.models import REASON_MAX_LENGTH, SignIn
from dreamland.staff.records import record_sign_in
from dreamland.staff.throttle import count_attempt, give_back

CODE_MAX_LENGTH = 32


class SignInForm(AuthenticationForm):
    """Username and password of a member of staff. Every try is counted before the password is looked at.

    Whatever is wrong, the answer has the same words; Django hashes a password also where there is no such account.
    """

    throttled: TooManyAttempts | None = None

    def clean(self) -> Any:
        username, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not username or not password:
            return self.cleaned_data
        assert self.request is not None
        address = address_of(self.request)
        facts: Any = {"username": username, "address": address, "request_id": request_id(self.request)}
        try:
            counted = count_attempt(username=username, address=address, now=timezone.now())
        except TooManyAttempts as refusal:
            self.throttled = refusal
            raise ValidationError(refusal.detail, code="throttled") from refusal
        try:
            super().clean()
        except ValidationError:
            record_sign_in(**facts, outcome=SignIn.Outcome.PASSWORD_REFUSED)
            raise
        give_back(counted)
        record_sign_in(**facts, outcome=SignIn.Outcome.PASSWORD_ACCEPTED)
        return self.cleaned_data


class CodeForm(forms.Form):
    """A code of six digits, or where asked for a recovery code."""

    code = forms.CharField(
        label="Code",
        max_length=CODE_MAX_LENGTH,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "autocapitalize": "none",
                "spellcheck": "false",
                "autofocus": "",
                "class": " ".join([*BASE_INPUT_CLASSES, "font-mono", "tracking-widest"]),
            }
        ),
    )


class ReasonForm(forms.Form):
    """Why something out of the ordinary is done."""

    reason = forms.CharField(
        max_length=REASON_MAX_LENGTH,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="It is kept for ever, with your name.",
    )
