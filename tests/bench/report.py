"""docs/performance/: the figures as a document and as plots, from the history and from nothing else.

`python -m tests.bench report` writes both; a test holds the document against the history. Of each figure at each size
the newest measurement counts; the oldest stands beside it, so that one sees what became of it.
"""

import ast
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tests.bench import harness
from tests.bench.environments import python_with
from tests.bench.harness import Figure, number

DIRECTORY = harness.HISTORY.parent
DOCUMENT = DIRECTORY / "figures.md"
PLOTTING = ("matplotlib>=3.10,<4",)
INTRODUCTION = """# Figures beside their floors

Written by `python -m tests.bench report` from [the history](history.jsonl), to which `python -m tests.bench --remember`
adds; a test fails where it is not what the history says. What was learnt from them: [what it takes](../performance.md).

A figure and its floor run in turns, on the same server in the same minutes, and the ratio is the median of those of the
rounds: ours by the floor's. Compare figures of one row and not of two: the machine does other things too. CPU is for each
operation, in milliseconds, of each kind of process; the client's is not counted where it is not named.
"""


@dataclass(frozen=True)
class Measured:
    """A figure with what the history knows about it."""

    figure: Figure
    at: str
    commit: str
    machine: Mapping[str, str]


def history(lines: Sequence[str]) -> list[Measured]:
    """The lines of the history, oldest first."""
    known = {field.name for field in fields(Figure)}
    told = [json.loads(line) for line in lines if line.strip()]
    return [
        Measured(
            Figure(**{name: value for name, value in each.items() if name in known}),
            each["at"],
            each["commit"],
            each["machine"],
        )
        for each in told
    ]


def write() -> None:
    """The document, and a PNG and an SVG of each figure against its size. Plots of figures that are gone go too."""
    told = history(harness.HISTORY.read_text(encoding="utf-8").splitlines())
    DOCUMENT.write_text(render(told), encoding="utf-8")
    plots = [plot(name, rows) for name, rows in by_name(told).items()]
    for path in [*DIRECTORY.glob("*.png"), *DIRECTORY.glob("*.svg")]:
        if path.stem not in {each["file"] for each in plots}:
            path.unlink()
    subprocess.run(
        [python_with("plots", PLOTTING), "-m", "tests.bench.plots", DIRECTORY],
        cwd=harness.ROOT,
        input=json.dumps(plots),
        text=True,
        check=True,
    )


def by_name(told: Sequence[Measured]) -> dict[str, list[list[Measured]]]:
    """For each figure, in the order of the benchmarks, its sizes in order; of each size all that was measured."""
    from tests.bench.__main__ import NAMES

    found: dict[str, dict[tuple[int, str], list[Measured]]] = {}
    for each in sorted(told, key=lambda one: NAMES.index(one.figure.benchmark)):  # stable: the oldest first
        sizes = found.setdefault(each.figure.name, {})
        sizes.setdefault((each.figure.size, each.figure.size_unit), []).append(each)
    return {
        name: [sizes[size] for size in sorted(sizes, key=lambda key: (key[1], key[0]))] for name, sizes in found.items()
    }


def file_of(name: str) -> str:
    """The name of a figure as that of a file."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def render(told: Sequence[Measured]) -> str:
    """The document."""
    return "\n".join([INTRODUCTION, *machines(told), *chapters(told)])


def machines(told: Sequence[Measured]) -> Iterator[str]:
    """What the newest measurements ran on: each machine once."""
    newest = [sizes[-1] for figure in by_name(told).values() for sizes in figure]
    seen = {json.dumps(each.machine): each.machine for each in newest}
    yield "## Machine\n"
    for machine in seen.values():
        yield "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items()) + ".\n"


def chapters(told: Sequence[Measured]) -> Iterator[str]:
    """A chapter for each benchmark: what it does, in its own words, and a table for each figure."""
    benchmark = ""
    for name, sizes in by_name(told).items():
        if sizes[0][-1].figure.benchmark != benchmark:
            benchmark = sizes[0][-1].figure.benchmark
            yield f"## {benchmark}\n"
            yield f"[`python -m tests.bench {benchmark}`](../../tests/bench/{benchmark}.py). {about(benchmark)}\n"
        yield f"### {name[0].upper()}{name[1:]}\n"
        yield f"![{name}]({file_of(name)}.png) ([SVG]({file_of(name)}.svg))\n"
        yield from table(sizes)
        yield ""


def about(benchmark: str) -> str:
    """The docstring of the benchmark's module."""
    source = Path(__file__).with_name(f"{benchmark}.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)) or ""


def table(sizes: Sequence[Sequence[Measured]]) -> Iterator[str]:
    """The newest of each size beside its floor, and the oldest where there is an older one."""
    newest = sizes[0][-1].figure
    yield f"| {newest.size_unit} | ours, {newest.unit} | floor | ratio (rounds) | promise | CPU ms, ours; floor | measured | at first |"
    yield "|---|---|---|---|---|---|---|---|"
    for measured in sizes:
        first, last = measured[0], measured[-1]
        figure = last.figure
        size = f"{figure.size:,}" + (f" {figure.size_unit}" if figure.size_unit != newest.size_unit else "")
        rounds = ", ".join(f"{ratio:.2f}" for ratio in figure.rounds)
        sides = "; ".join(
            ", ".join(f"{name} {number(ms)}" for name, ms in parts.items()) for parts in figure.cpu_ms.values()
        )
        yield (
            f"| {size} | {number(figure.ours)} | {number(figure.floor)} | **{figure.ratio:.2f}** ({rounds}) "
            f"| {promise(figure)} | {sides or '-'} | {last.at[:10]}, `{last.commit}` "
            f"| {f'{first.figure.ratio:.2f}, `{first.commit}`' if first is not last else '-'} |"
        )
    yield ""
    more = [(each[-1].figure, each[-1].figure.more) for each in sizes if each[-1].figure.more]
    for figure, values in more:
        yield f"- at {figure.size:,}: " + ", ".join(f"{name} {number(value)}" for name, value in values.items())


def promise(figure: Figure) -> str:
    if figure.promise is None:
        return "-"
    bound = f"{'at least' if figure.at_least else 'at most'} {figure.promise:g}"
    return bound if figure.kept else f"{bound}: **not kept**"


def plot(name: str, sizes: Sequence[Sequence[Measured]]) -> dict[str, Any]:
    """What `plots` draws: ours and the floor's at each size."""
    newest = [each[-1].figure for each in sizes]
    return {
        "file": file_of(name),
        "title": name,
        "unit": newest[0].unit,
        "size_unit": newest[0].size_unit,
        "sizes": [figure.size for figure in newest],
        "ours": [figure.ours for figure in newest],
        "floor": [figure.floor for figure in newest],
    }
