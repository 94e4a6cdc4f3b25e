"""`python -m dreamland.local.faults`: see `manage.py faults`."""

import argparse
import os
import sys
from typing import Any

from rich.console import Console

from dreamland.local import LocalServerError
from dreamland.local.attachment import ROOT

DEFAULT_SEED = 20_261_121


def arguments() -> argparse.ArgumentParser:
    """What a run can be told."""
    parser = argparse.ArgumentParser(prog="manage.py faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long things go wrong (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="the plan of faults (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    return parser


def main() -> int:
    """Runs in a world of its own. 0: nothing lost, doubled or wrong; 1: something was; 2: could not run."""
    options = arguments().parse_args()
    console = Console(stderr=True, highlight=False)
    from dreamland.local import files
    from dreamland.local.faults.rates import LyingRates
    from dreamland.local.faults.world import World

    root = ROOT / "faults"
    files.make_directory(root, 0o755 if os.geteuid() == 0 else 0o700)
    with LyingRates() as rates, files.closing_lock(root / "faults.lock") as lock:
        world = World(root, rates.url, console.print)
        if not lock.take():
            console.print("Faults are at work in this checkout already.")
            return 2
        try:
            world.start_afresh()
            result = _run(world, rates, options, console)
        except LocalServerError as error:
            console.print(f"Could not run: {error}", markup=False)
            return 2
        finally:
            world.stop()
    _print(result, options.json, console)
    return 0 if result.right else 1


def _run(world: Any, rates: Any, options: argparse.Namespace, console: Console) -> Any:
    """Django is set up only here, for the database of this world."""
    os.environ.update(world.owner_env)
    os.environ.update(CONVERSION_HOURS_PER_TICK="96", LOG_LEVEL="CRITICAL")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dreamland.settings")
    import django

    django.setup()
    from dreamland.local.faults.run import run

    return run(world, rates, seed=options.seed, seconds=options.minutes * 60, say=console.print)


def _print(result: Any, as_json: bool, console: Console) -> None:
    import json
    from dataclasses import asdict

    from dreamland.lib.console import table

    if as_json:
        sys.stdout.write(json.dumps({**asdict(result), "right": result.right}, indent=2) + "\n")
        return
    total = sum(result.faults.values())
    console.print(table(f"{total} faults, seed {result.seed}", ["fault", "times"], list(result.faults.items())))
    for kind, why in result.skipped.items():
        console.print(f"skipped: {kind}; {why}", markup=False)
    console.print(
        f"{result.restarts} restarts; {result.calls} calls, {result.calls_without_answer} without an answer; "
        f"{result.acknowledged} wins acknowledged, {result.refused} refused; {result.conversions} conversions of "
        f"{result.converted_wins} wins; {result.lives_at_edges} lives at edges of the calendar; "
        f"losses {result.losses}, duplicates {result.duplicates}; "
        f"{result.claims_verified} claims about the books and {result.seals} seals verified; {result.seconds} s"
    )
    for difference in result.differences[:20]:
        console.print(difference, markup=False, style="red")
    console.print("[bold green]Nothing lost, nothing twice.[/]" if result.right else "[bold red]WRONG[/]")


if __name__ == "__main__":
    sys.exit(main())
