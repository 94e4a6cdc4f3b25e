#!/usr/bin/env python
"""The engineers' door: every command of Dreamland. Without DATABASE_URL it brings its own servers."""

import os
import sys

# Commands that never open a connection: they must work on a machine where no server can run.
NEED_NO_SERVERS = {"check", "compilemessages", "diffsettings", "help", "makemessages", "version", "--help", "--version"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dreamland.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    if command not in NEED_NO_SERVERS:
        from dreamland import local

        local.attach(local.DEMO_ROOT if command == "demo" else None)

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
