"""The harness of the benchmarks tells the truth, and what the documents say is what was measured. Nothing is timed."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tests.bench import harness
from tests.bench import report as writing
from tests.bench.__main__ import NAMES, OTHERS, verdict
from tests.bench.harness import Figure, Report, Side

FAST, SLOW = Side(100, 1.0, {"web": 0.2}), Side(100, 2.0, {"web": 0.8})


def figure(ours: Side, floor: Side, promise: float | None = None, **more: Any) -> Figure:
    return harness.in_turns(
        "a figure", lambda: ours, lambda: floor, size=1, size_unit="thing", unit="things/s", promise=promise, **more
    )


def test_a_ratio_is_ours_by_the_floor() -> None:
    assert figure(FAST, SLOW).ratio == 2.0
    assert figure(SLOW, FAST).ratio == 0.5
    assert (figure(FAST, SLOW).ours, figure(FAST, SLOW).floor) == (100.0, 50.0)


def test_cpu_is_for_each_operation_and_a_ratio_of_it_is_the_right_way_round_too() -> None:
    made = figure(SLOW, FAST, of=lambda side: side.cpu_milliseconds()["web"], promise=2.5, at_least=False)
    assert (made.ours, made.floor, made.ratio, made.kept) == (8.0, 2.0, 4.0, False)
    assert made.cpu_ms == {"ours": {"web": 8.0}, "floor": {"web": 2.0}}


def test_ours_and_the_floor_take_turns_and_the_median_counts() -> None:
    asked: list[str] = []
    speeds: Iterator[int] = iter([10, 40, 20])

    def ours() -> Side:
        asked.append("ours")
        return Side(next(speeds), 1.0)

    def floor() -> Side:
        asked.append("floor")
        return Side(10, 1.0)

    made = harness.in_turns("a figure", ours, floor, size=1, size_unit="thing", unit="things/s", rounds=3)
    assert asked == ["ours", "floor"] * 3
    assert (made.ratio, list(made.rounds)) == (2.0, [1.0, 4.0, 2.0])


@pytest.mark.parametrize(
    ("promise", "at_least", "kept"),
    [(None, True, None), (1.9, True, True), (2.1, True, False), (2.1, False, True), (1.9, False, False)],
)
def test_a_promise_is_kept_or_not_and_the_exit_code_says_so(
    promise: float | None, at_least: bool, kept: bool | None, capsys: pytest.CaptureFixture[str]
) -> None:
    made = figure(FAST, SLOW, promise, at_least=at_least)
    assert made.kept is kept
    report = Report()
    report.add(made)
    assert verdict(report) == (1 if kept is False else 0)
    assert ("NOT KEPT" in capsys.readouterr().out) is (kept is False)


def test_the_cpu_of_a_process_that_has_ended_counts_for_its_parent() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    with harness.cpu(here=os.getpid()) as used:
        subprocess.run([sys.executable, "-I", "-S", "-c", burn], check=True)
    assert used["here"] >= 0.25


def test_json_is_the_whole_figure(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(as_json=True, benchmark="wins")
    report.add(figure(FAST, SLOW, 1.0))
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(json.dumps(asdict(report.figures[0])))
    assert told["benchmark"] == "wins"


@pytest.mark.parametrize("name", [*NAMES, *OTHERS])
def test_every_benchmark_that_has_a_name_is_there(name: str) -> None:
    module = importlib.import_module(f"tests.bench.{name}")
    assert callable(getattr(module, "measure" if name in NAMES else "main"))
    assert module.__doc__


def test_what_has_no_name_is_refused() -> None:
    from tests.bench.__main__ import main

    with pytest.raises(SystemExit) as refused:
        main(["nothing-of-this-name"])
    assert refused.value.code == 2


# --- docs/performance/ -----------------------------------------------------------------------------------------------


def line(made: Figure, at: str, commit: str) -> str:
    return json.dumps({"at": at, "commit": commit, "machine": {"cpu": "2 x test"}, **asdict(made)})


def test_the_newest_measurement_counts_and_the_oldest_stands_beside_it() -> None:
    made = replace(figure(FAST, SLOW, 1.5), benchmark="wins")
    told = writing.history([line(replace(made, ratio=0.7), "2026-01-01", "aaa"), line(made, "2026-02-02", "bbb")])
    document = writing.render(told)
    assert "**2.00**" in document
    assert "| 2026-02-02, `bbb` | 0.70, `aaa` |" in document
    assert "not kept" not in document
    assert "**not kept**" in writing.render(told[:1])


def test_the_document_of_the_figures_is_what_the_history_says() -> None:
    """Else run `python -m tests.bench report`."""
    told = writing.history(harness.HISTORY.read_text(encoding="utf-8").splitlines())
    assert told
    assert writing.DOCUMENT.read_text(encoding="utf-8") == writing.render(told)
    drawn = {f"{writing.file_of(name)}.{kind}" for name in writing.by_name(told) for kind in ("png", "svg")}
    there = {path.name for path in Path(writing.DIRECTORY).iterdir() if path.suffix in {".png", ".svg"}}
    assert drawn == there
