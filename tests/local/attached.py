"""A client of the embedded servers in a process of its own, for tests that kill it. Run as a script.

`attached.py <root> [durable]`: attaches, prints one line of JSON, stays until its standard input ends.
"""

import json
import os
import sys
import time
from pathlib import Path

from dreamland import local


def say(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    before = set(sys.modules)
    started = time.perf_counter()
    try:
        servers = local.attach(Path(sys.argv[1]), durable=sys.argv[2:] == ["durable"])
    except local.LocalServerError as error:
        say({"error": type(error).__name__, "message": str(error)})
        sys.exit(1)
    seconds = time.perf_counter() - started
    answer = {
        "database_url": servers.database_url,
        "redis_url": servers.redis_url,
        "embedded": sorted(servers.embedded),
        "seconds": seconds,
        "imported_django": any(name.partition(".")[0] == "django" for name in set(sys.modules) - before),
        "environment": dict(os.environ),
    }
    say(answer)
    sys.stdin.read()


if __name__ == "__main__":
    main()
