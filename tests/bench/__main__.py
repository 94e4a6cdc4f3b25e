"""`uv run python -m tests.bench [NAME ...] [--json] [--remember]`: figures beside their floors, measured in turns."""

import argparse
import importlib
import sys

from tests.bench import harness

NAMES = ("wins", "books", "http", "reads", "peers", "growth", "hot", "starting")


def main() -> int:
    """Runs the named benchmarks, or all; 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--remember", action="store_true", help=f"add the figures to {harness.HISTORY.name}")
    options = parser.parse_args()
    harness.attach()
    report = harness.Report(as_json=options.json)
    if not options.json:
        harness.say("; ".join(f"{name} {value}" for name, value in harness.machine().items()))
    for name in options.names or NAMES:
        importlib.import_module(f"tests.bench.{name}").measure(report)
    if options.remember:
        harness.remember(report.figures)
    return 1 if any(figure.kept is False for figure in report.figures) else 0


if __name__ == "__main__":
    sys.exit(main())
