"""`python -m tests.bench [NAME[:SIZE,...] ...] [--json] [--remember]`: figures beside their floors, measured in turns.

Without a name, all of them; with sizes, only those figures of a benchmark that have them. `--remember` adds the figures to docs/performance/history.jsonl; `report` instead of a name
writes docs/performance/ from it. Other benchmarks print tables of their own: NAME and then their own arguments.
"""

import argparse
import importlib
import subprocess
import sys

from tests.bench import harness

# Figures beside their floors, in order of reading.
NAMES = ("wins", "http", "books", "conversion", "beside", "reads", "growth", "hot", "starting", "peers")
# Tables of their own kind, each in a process of its own and with arguments of its own.
OTHERS = ("profiles", "workers", "verification", "exports", "data_types", "back_office", "world")


def main(arguments: list[str]) -> int:
    """Runs the named benchmarks, or all; 1 where a promise is not kept."""
    if arguments and arguments[0] in OTHERS:
        module, *rest = arguments
        return subprocess.run([sys.executable, "-m", f"tests.bench.{module}", *rest], check=False).returncode
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*NAMES, *OTHERS, "report"]))
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--remember", action="store_true", help=f"add the figures to {harness.HISTORY.name}")
    options = parser.parse_args(arguments)
    wanted = [name.partition(":")[::2] for name in options.names or NAMES]
    if wanted == [("report", "")]:
        from tests.bench import report as writing

        writing.write()
        return 0
    if unknown := [name for name, _ in wanted if name not in NAMES]:
        parser.error(f"no benchmark is called {', '.join(unknown)}")
    harness.attach()
    report = harness.Report(as_json=options.json)
    report.note("; ".join(f"{name} {value}" for name, value in harness.machine().items()))
    for name, sizes in wanted:
        report.benchmark, before = name, len(report.figures)
        report.wanted = [int(size) for size in sizes.split(",")] if sizes else []
        importlib.import_module(f"tests.bench.{name}").measure(report)
        if options.remember:
            harness.remember(report.figures[before:])
    return verdict(report)


def verdict(report: harness.Report) -> int:
    """The exit code: 1 where a promise is not kept."""
    return 1 if any(figure.kept is False for figure in report.figures) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
