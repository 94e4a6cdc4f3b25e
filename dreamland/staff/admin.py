"""People, groups, and what is kept of both, in the back-office."""

from functools import reduce
from operator import or_
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from dreamland.lib.admin import ReadOnlyAdmin
from dreamland.lib.pages import Block, Facts, Table
from dreamland.lib.trail.models import Change, Look
from dreamland.staff.models import FactorReset, SignIn
from dreamland.staff.roles import ROLES, SINGLE

MENU = "People"
HELP = {
    "groups": "What each may do: docs/staff.md.",
    "user_permissions": "What no group has. Give it to single people, for a reason.",
}
admin.site.unregister([User, Group, StaticDevice, TOTPDevice])  # their own pages would show seeds and codes


class SuperusersChange:
    """Rights are a superuser's business: whoever could change people could make himself anybody."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_superuser(request)


@admin.register(User)
class UserAdmin(SuperusersChange, DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]  # unfold over Django's stubs
    """A person. Nobody is deleted: entries and records name their people. Who leaves is made inactive."""

    menu, icon, menu_order = MENU, "person", 10
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "groups_shown", "has_factor", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser", "groups")
    search_fields = ("username",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (
            "Rights",
            {
                "fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions"),
                "description": "Every change here is recorded for ever, with your name.",
            },
        ),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets: Any = (
        (
            None,
            {
                "fields": ("username", "password1", "password2", "is_staff", "groups"),
                "description": "Tell the password in person. The first sign-in sets up the second factor.",
            },
        ),
    )
    actions = None
    actions_detail: Any = ("reset_second_factor",)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"is_staff": True}

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Boxes to tick: the groups, and the permissions that no group has."""
        kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget()
        if db_field.name == "user_permissions":
            single = [Q(content_type__app_label=app, codename=name) for app, name in (p.split(".") for p in SINGLE)]
            kwargs["queryset"] = Permission.objects.filter(reduce(or_, single)).select_related("content_type")
        field: Any = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field is not None:
            field.label_from_instance = lambda row: row.name
            field.help_text = HELP.get(db_field.name, "")
        return field

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        devices = TOTPDevice.objects.filter(user_id=OuterRef("pk"), confirmed=True)
        people: QuerySet[User] = super().get_queryset(request)
        return people.prefetch_related("groups").annotate(factor=Exists(devices))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_reset_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Another person's lost factor; one's own is replaced by showing it."""
        if object_id is not None and str(request.user.pk) == str(object_id):
            return False
        return bool(request.user.has_perm("staff.reset_second_factor"))

    @display(description="groups")
    def groups_shown(self, person: User) -> str:
        return ", ".join(group.name for group in person.groups.all()) or "-"

    @display(description="second factor", boolean=True)
    def has_factor(self, person: Any) -> bool:
        return bool(person.factor)

    @action(  # type: ignore[operator]  # unfold types the result of the decorator, and not the decorator
        description="Reset second factor", url_path="reset-second-factor", permissions=["reset"], icon="lock_reset"
    )
    def reset_second_factor(self, request: HttpRequest, object_id: str) -> HttpResponse:
        from dreamland.staff.views import reset

        person = self.get_object(request, object_id)
        if person is None:
            raise Http404
        response: HttpResponse = reset(request, person)
        return response


@admin.register(Group)
class GroupAdmin(SuperusersChange, DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]  # unfold over Django's stubs
    """A group. The five that come with Dreamland are as the code declares them (dreamland.staff.roles)."""

    menu, icon, menu_order = MENU, "groups", 20
    list_display = ("name", "is_declared")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (obj is None or obj.name not in ROLES) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (obj is None or obj.name not in ROLES) and super().has_delete_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {}

    @display(description="comes with Dreamland", boolean=True)
    def is_declared(self, group: Group) -> bool:
        return group.name in ROLES


@admin.register(Change)
class ChangeAdmin(ReadOnlyAdmin):
    menu, icon, menu_order = MENU, "history", 30
    empty_text = "No configuration was changed yet."
    list_display = ("at", "who", "table", "operation", "row_id", "columns", "request_id")
    list_filter = ("operation",)
    search_fields = ("=table", "=row_id", "=username", "=request_id")
    search_help_text = "A whole table name, row id, username or request id"

    @display(description="who")
    def who(self, change: Change) -> str:
        return change.username or f"{change.by_role} (no person)"

    @display(description="columns")
    def columns(self, change: Change) -> str:
        if change.operation != Change.Operation.UPDATE:
            return "-"
        return ", ".join(name for name, *_ in _differences(change))

    def page_title(self, row: Change) -> str:
        return f"{row.table} {row.row_id}: {row.get_operation_display()}"

    def blocks(self, request: HttpRequest, row: Change) -> list[Block]:
        facts = [
            ("When", row.at),
            ("Who", self.who(row)),
            ("Role in the database", row.by_role),
            ("Request", row.request_id or "-"),
        ]
        return [Facts(facts), Table(["Column", "Before", "After"], _differences(row), title="What changed")]


@admin.register(Look)
class LookAdmin(ReadOnlyAdmin):
    menu, icon, menu_order = MENU, "visibility", 40
    empty_text = "Nobody has looked at personal data."
    list_display = ("at", "username", "subject", "what", "reason", "place")
    search_fields = ("=subject", "=username", "=request_id")
    search_help_text = "A whole player id, username or request id"


@admin.register(SignIn)
class SignInAdmin(ReadOnlyAdmin):
    menu, icon, menu_order = MENU, "login", 50
    empty_text = "Nobody has signed in yet."
    list_display = ("at", "who", "outcome", "address", "request_id")
    list_filter = ("outcome",)
    search_fields = ("=username", "=request_id")
    search_help_text = "A whole username or request id"

    @display(description="who")
    def who(self, sign_in: SignIn) -> str:
        return sign_in.username or "nobody of that name"


@admin.register(FactorReset)
class FactorResetAdmin(ReadOnlyAdmin):
    menu, icon, menu_order = MENU, "lock_reset", 60
    empty_text = "No second factor was reset."
    list_display = ("at", "user", "by", "reason")
    list_select_related = ("user", "by")


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and getattr(request.user, "is_superuser", False))


def _differences(change: Change) -> list[tuple[str, Any, Any]]:
    """The columns that differ, with what stood there before and after."""
    old, new = change.old or {}, change.new or {}
    return [
        (name, _shown(old.get(name)), _shown(new.get(name)))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _shown(value: Any) -> str:
    return "-" if value is None or value == "" else str(value)
