"""Brings the permissions of the five groups to what `roles` declares. Runs after every `migrate`, and may run again."""

from collections.abc import Mapping
from typing import Any

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import transaction

from dreamland.staff.roles import ROLES, SINGLE


def grant_roles(
    apps: Any, *, using: str = "default", roles: Mapping[str, frozenset[str]] = ROLES
) -> dict[str, list[str]]:
    """Grants and takes away until each group has exactly its permissions; says what was done, by group.

    `apps` is the state that `migrate` came to. Where our own tables are not in it, nothing is done. Permissions are
    made by Django after `migrate`, app by app and in no order that could be relied on: so they are made here first,
    which is harmless to repeat. A declared permission that does not exist then is a mistake of ours, and `migrate`
    fails for it.
    """
    try:
        apps.get_model("staff", "SignIn")
    except LookupError:
        return {}
    wanted = {name for permissions in roles.values() for name in permissions} | SINGLE
    for label in sorted({name.partition(".")[0] for name in wanted}):
        create_permissions(installed.get_app_config(label), verbosity=0, interactive=False, using=using)
    return _settle(wanted, roles, using)


def _settle(wanted: set[str], roles: Mapping[str, frozenset[str]], using: str) -> dict[str, list[str]]:
    from django.contrib.auth.models import Group, Permission

    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.using(using).select_related("content_type")
    }
    if missing := sorted(wanted - known.keys()):
        raise AssertionError(f"dreamland.staff.roles names permissions that do not exist: {', '.join(missing)}")
    done: dict[str, list[str]] = {}
    with transaction.atomic(using=using):
        for name in sorted(roles):
            group, _ = Group.objects.using(using).get_or_create(name=name)
            held = {permission.pk for permission in group.permissions.all()}
            due = {known[permission].pk: permission for permission in roles[name]}
            if held == due.keys():
                continue
            group.permissions.set(due)
            done[name] = [f"+{due[pk]}" for pk in sorted(due.keys() - held)]
            done[name] += [f"-{pk}" for pk in sorted(held - due.keys())]
    return done
