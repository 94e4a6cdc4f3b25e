"""Forms of the back-office: what to show, and as of when. Every instant that is typed is UTC."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

INSTANT_FORM = "%Y-%m-%dT%H:%M"


class InstantField(forms.DateTimeField):
    """A day and an hour in UTC, as a browser's own field asks for them."""

    def __init__(self, *, label: str, required: bool = False, help_text: str = "UTC") -> None:
        widget = UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"})
        super().__init__(label=label, required=required, help_text=help_text, widget=widget)

    def prepare_value(self, value: Any) -> Any:
        return value.strftime(INSTANT_FORM) if isinstance(value, datetime) else value


def words(
    label: str, *, max_length: int, required: bool = True, help_text: str = "", lines: int = 1
) -> forms.CharField:
    """A field for text."""
    widget = UnfoldAdminTextareaWidget(attrs={"rows": lines}) if lines > 1 else UnfoldAdminTextInputWidget()
    return forms.CharField(label=label, max_length=max_length, required=required, help_text=help_text, widget=widget)


def choice(label: str, choices: Any, *, help_text: str = "") -> forms.ChoiceField:
    """A field with a few answers."""
    return forms.ChoiceField(label=label, choices=choices, help_text=help_text, widget=UnfoldAdminSelectWidget())


class AsOf(forms.Form):
    """Entries dated before this instant; all of them where nothing is said."""

    until = InstantField(label="As of", help_text="UTC; empty: now")


class Period(forms.Form):
    """From one instant up to, not including, another."""

    since = InstantField(label="From")
    until = InstantField(label="Until", help_text="UTC; empty: now")

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        since, until = given.get("since"), given.get("until")
        if since and until and since >= until:
            raise forms.ValidationError("The time ends before it begins.")
        return given


def month_of(instant: datetime) -> datetime:
    """When the UTC month of `instant` began: where statements begin if nobody says otherwise."""
    return instant.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
