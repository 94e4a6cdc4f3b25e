"""Who may ask and who may decide: by permission for each kind, and by group how much (settings.APPROVAL_LIMITS)."""

from collections.abc import Mapping
from decimal import Decimal

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser

from ledger.approvals.kinds import Kind
from ledger.errors import NotAllowed, OverLimit

Person = AbstractUser
ASK, DECIDE = "ask", "decide"
SUPERUSERS = "superuser"  # their line in APPROVAL_LIMITS: they are in no group by nature


def person(user_id: int) -> Person:
    """An active user of the back-office. Raises NotAllowed."""
    found = get_user_model().objects.filter(pk=user_id, is_active=True).first()
    if not isinstance(found, AbstractUser):
        raise NotAllowed("an active user of the back-office asks and decides")
    return found


def limits(user: Person, verb: str) -> dict[str, Decimal]:
    """How much of each asset at a time: the highest of the user's groups. An asset that is not there: nothing."""
    groups = list(user.groups.values_list("name", flat=True)) + ([SUPERUSERS] if user.is_superuser else [])
    highest: dict[str, Decimal] = {}
    for group in groups:
        for asset, limit in settings.APPROVAL_LIMITS.get(group, {}).get(verb, {}).items():
            highest[asset] = max(highest.get(asset, Decimal(0)), Decimal(limit))
    return highest


def may(user: Person, verb: str, kind: Kind, amounts: Mapping[str, Decimal]) -> bool:
    """Whether `assert_may` would pass."""
    try:
        assert_may(user, verb, kind, amounts)
    except (NotAllowed, OverLimit):
        return False
    return True


def assert_may(user: Person, verb: str, kind: Kind, amounts: Mapping[str, Decimal]) -> None:
    """Raises NotAllowed without the permission of the kind, OverLimit beyond the limit of the user's groups."""
    if not user.has_perm(kind.permission(verb)):
        raise NotAllowed(f"you have no permission to {verb} {kind.title}")
    allowed = limits(user, verb)
    for asset, amount in amounts.items():
        if not amount <= allowed.get(asset, Decimal(0)):
            limit = allowed.get(asset, Decimal(0))
            raise OverLimit(f"your limit to {verb} is {limit} {asset} at a time", limit=limit, asset=asset)
