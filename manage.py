#!/usr/bin/env python
"""The engineers' door: every command of Dreamland. Without DATABASE_URL it brings its own servers."""

import os
import sys

# Commands that never open a connection: they must work on a machine where no server can run.
NEED_NO_SERVERS = {
    "check",
    "compilemessages",
    "diffsettings",
    "faults",
    "help",
    "makemessages",
    "version",
    "world",
    "--help",
    "--version",
}


def of_its_own(arguments: list[str]) -> bool:
    """Whether the command empties its servers first: they must be no other command's."""
    command = arguments[:1]
    named = any(argument.startswith("--base-url") for argument in arguments)
    return command == ["demo"] or (command == ["simulate"] and not named)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dreamland.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    if command not in NEED_NO_SERVERS:
        from dreamland import local

        local.attach(local.DEMO_ROOT if of_its_own(sys.argv[1:]) else None)

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
