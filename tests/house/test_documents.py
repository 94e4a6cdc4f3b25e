"""What the documents name exists: tests, links, codes, commands, settings and figures."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands

from dreamland.lib.api.catalogue import KINDS

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
EDGE_CASES = (ROOT / "docs" / "edge-cases.md").read_text()
INTEGRATE = (ROOT / "docs" / "integrate.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
CASE = re.compile(
    r"^\| (?P<situation>[^|]+) \| (?P<answer>[^|]+) \| `(?P<path>[\w/]+\.py)::(?P<test>\w+)` \|$", re.MULTILINE
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
CODE_ROW = re.compile(r"^\| (?P<status>\d{3}) \| `(?P<code>[a-z-]+)` \|", re.MULTILINE)


@cache
def defined_in(path: Path) -> frozenset[str]:
    """The names of the tests that a file defines."""
    tree = ast.parse(path.read_text())
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def is_test(path: str, name: str) -> bool:
    return (ROOT / path).is_file() and name in defined_in(ROOT / path)


def test_every_edge_case_names_a_test_that_exists() -> None:
    missing = [
        f"{case['path']}::{case['test']}"
        for case in CASE.finditer(EDGE_CASES)
        if not is_test(case["path"], case["test"])
    ]
    assert missing == []


def test_there_are_at_least_eighty_edge_cases_and_no_row_that_is_none() -> None:
    cases = list(CASE.finditer(EDGE_CASES))
    assert len(cases) >= 80
    rows = [line for line in EDGE_CASES.splitlines() if line.startswith("| ") and "Shown by" not in line]
    assert len(rows) == len(cases)
    situations = [case["situation"] for case in cases]
    assert len(set(situations)) == len(situations)


def test_the_edge_cases_cover_every_part_of_the_house() -> None:
    headings = re.findall(r"^## (.+)$", EDGE_CASES, re.MULTILINE)
    for part in ("HTTP", "day", "conversion", "books", "Back-office", "Privacy", "Operations"):
        assert any(part in heading for heading in headings), part


TEST = re.compile(r"`(?P<path>tests/[\w/]+\.py)(?:::(?P<test>\w+))?`")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_that_a_document_names_exists(path: Path) -> None:
    named = [(found["path"], found["test"]) for found in TEST.finditer(path.read_text())]
    assert [each for each in named if not ((ROOT / each[0]).is_file() and (not each[1] or is_test(*each)))] == []


def test_every_lock_that_the_code_takes_is_in_the_document_of_locks() -> None:
    """By file: whoever takes a lock in a new place says there in which order, and what races it."""
    document = (ROOT / "docs" / "concurrency.md").read_text()
    lock = re.compile(r"FOR (NO KEY )?UPDATE|FOR SHARE\b|LOCK TABLE|select_for_update|pg_advisory")
    takers = [
        path
        for app in ("ledger", "rewards", "conversion")
        for path in sorted([*(ROOT / app).glob("*.py"), *(ROOT / app / "sql").glob("*.sql")])
        if not path.name.endswith(".reverse.sql") and lock.search(path.read_text())
    ]
    assert len(takers) >= 10
    missing = [str(path.relative_to(ROOT)) for path in takers if f"(../{path.relative_to(ROOT)})" not in document]
    assert missing == []


@pytest.mark.parametrize("path", ["tests/house/test_nothing.py", "tests/house/test_documents.py"])
def test_control_a_test_that_does_not_exist_is_missed(path: str) -> None:
    assert not is_test(path, "test_that_nobody_wrote")


def anchors(path: Path) -> set[str]:
    """The anchors that the headings of a document make."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def dead_links(path: Path, text: str) -> Iterator[str]:
    """Relative links that lead nowhere, also to a heading that is not there."""
    for found in LINK.finditer(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
        target = found["target"]
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        place = (path.parent / name).resolve() if name else path
        if not place.exists() or (anchor and anchor not in anchors(place)):
            yield target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_link_of_a_document_is_dead(path: Path) -> None:
    assert list(dead_links(path, path.read_text())) == []


def test_control_a_dead_link_and_a_dead_anchor_are_found() -> None:
    text = "[a](docs/nothing.md) [b](README.md#nowhere) [c](docs/) [d](https://example.com/x) [e](README.md#the-flow)"
    assert list(dead_links(ROOT / "README.md", text)) == ["docs/nothing.md", "README.md#nowhere"]


def test_the_guide_says_for_every_code_what_to_do() -> None:
    told = {row["code"]: int(row["status"]) for row in CODE_ROW.finditer(INTEGRATE)}
    assert told == {code: kind.status for code, kind in KINDS.items()}


def test_every_command_that_the_readme_lists_exists() -> None:
    commands = re.findall(r"^\| `manage\.py (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(commands) >= 8
    assert set(commands) <= get_commands().keys()


def test_every_figure_of_metrics_is_described_and_no_other() -> None:
    made: set[str] = set()
    for path in [ROOT / "dreamland/lib/metrics.py", *ROOT.glob("*/metrics.py")]:
        source = path.read_text()
        made |= {f"dreamland_{name}" for name in re.findall(r'gauge\(\s*"(\w+)"', source)}
        made |= {f"dreamland_{name}" for name in re.findall(r'\(\d, "(\w+)", "', source)}
        made |= set(re.findall(r'"(dreamland_\w+)",', source))
    described = set(re.findall(r"`(dreamland_[a-z_]+?)(?:_total)?`", OPERATIONS))
    assert described == made
