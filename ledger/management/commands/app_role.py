"""`manage.py app_role`: the least that web and worker processes need of the database, printed or applied."""

import os
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from psycopg import sql

DEFAULT_ROLE = "dreamland_app"


class Command(BaseCommand):
    help = (
        "Prints the grants of the app's database role; --apply runs them. Migrations run as the owner of the tables; "
        "web, worker and beat connect as this role, which can read and add, but not change the books."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--role", "--login", default=DEFAULT_ROLE, help=f"name of the role ({DEFAULT_ROLE})")
        parser.add_argument("--apply", action="store_true", help="make the role and grant, in one transaction")
        parser.add_argument("--password-env", help="variable that holds the password; without it the role has none")

    def handle(self, *args: Any, **options: Any) -> None:
        role = options["role"]
        if not options["apply"]:
            for statement in [*making(role), *grants(role)]:
                self.stdout.write(f"{statement};")
            return
        password = None
        if variable := options["password_env"]:
            password = os.environ.get(variable)
            if not password:
                raise CommandError(f"{variable} holds no password", returncode=2)
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            for statement in [*making(role), *grants(role)]:
                cursor.execute(statement)
            if password:
                raw: Any = connection.connection  # a password is no parameter of a statement: quoted by the driver
                raw.execute(
                    sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
                )
        self.stdout.write(f"{role} may do what it needs and no more")


def making(role: str) -> list[str]:
    """The statements that make the role where there is none."""
    quoted = connection.ops.quote_name(role)
    literal = role.replace("'", "''")
    return [
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{literal}') THEN "
        f"CREATE ROLE {quoted} NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT; END IF; END $$"
    ]


def grants(role: str) -> list[str]:
    """What the role may do with each table: what its app says in `AppConfig.privileges`, else everything but DDL.

    Everything is revoked first, so that a privilege which an app no longer names is gone after the next run.
    """
    quote = connection.ops.quote_name
    quoted = quote(role)
    statements = [
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {quoted}",
        f"GRANT USAGE ON SCHEMA public TO {quoted}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {quoted}",
        f"GRANT SELECT ON {quote('django_migrations')} TO {quoted}",  # /readyz compares them with the code
    ]
    for config in apps.get_app_configs():
        named: dict[str, list[str]] = getattr(config, "privileges", {})
        tables = sorted({model._meta.db_table for model in config.get_models(include_auto_created=True)})
        if named and (forgotten := sorted(set(tables) ^ set(named))):
            raise CommandError(f"{config.label}: privileges and tables differ in {', '.join(forgotten)}")
        for name in tables:
            privileges = named.get(name, ["SELECT", "INSERT", "UPDATE", "DELETE"])
            statements.append(f"GRANT {', '.join(privileges)} ON {quote(name)} TO {quoted}")
    return statements
