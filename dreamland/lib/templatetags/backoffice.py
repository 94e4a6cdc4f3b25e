"""`cell`: a typed value of a page, as text."""

from typing import Any

from django import template
from django.utils.safestring import SafeString

from dreamland.lib.pages import cell_text

register = template.Library()


@register.filter
def cell(value: Any) -> str | SafeString:
    """A value as people read it (dreamland.lib.pages)."""
    return cell_text(value)
