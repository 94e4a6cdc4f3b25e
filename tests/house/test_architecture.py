"""The house keeps its shape: arrows point down, no float near money, and the checks that say so do catch it."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
APPS = ("ledger", "rewards", "conversion")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code, to plant violations in."""
    copy = tmp_path_factory.mktemp("house")
    for name in ("dreamland", *APPS):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def contracts(house: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=house, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_arrows_point_down(house: Path) -> None:
    checked = contracts(house)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("module", "planted"),
    [
        ("ledger/selectors.py", "from rewards.models import Win"),
        ("rewards/days.py", "import conversion.services"),
        ("dreamland/lib/ids.py", "import ledger.book"),
        ("rewards/selectors.py", "from ledger.models import Balance"),
        ("conversion/tasks.py", "from ledger import selectors"),
        ("dreamland/lib/errors.py", "import dreamland.local"),
    ],
)
def test_a_planted_violation_is_caught(house: Path, module: str, planted: str) -> None:
    path = house / module
    sound = path.read_text()
    path.write_text(f"{sound}\n{planted}\n")
    try:
        checked = contracts(house)
    finally:
        path.write_text(sound)
    assert checked.returncode != 0
    assert "BROKEN" in checked.stdout


# A float may say how long to wait, and nothing else. Names in the field's own words carry their unit.
UNITS = ("seconds", "minutes", "timeout", "deadline")
MONEY_CODE = [path for app in (*APPS, "dreamland/lib") for path in sorted((ROOT / app).rglob("*.py"))]


def floats(source: str) -> Iterator[tuple[int, str]]:
    """The lines on which a float is written, made or declared, other than a time to wait."""
    tree = ast.parse(source)
    lines = source.splitlines()
    for node in ast.walk(tree):
        if not isinstance(node, ast.expr):
            continue
        is_float = (
            (isinstance(node, ast.Constant) and isinstance(node.value, float))
            or (isinstance(node, ast.Name) and node.id == "float")
            or (isinstance(node, ast.Attribute) and node.attr in {"FloatField", "float"})
        )
        if is_float:
            line = lines[node.lineno - 1]
            if not any(unit in line.lower() for unit in (*UNITS, "wait_")):
                yield node.lineno, line.strip()


@pytest.mark.parametrize("path", MONEY_CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_float_comes_near_money(path: Path) -> None:
    assert list(floats(path.read_text())) == []


@pytest.mark.parametrize(
    "planted", ["price = 0.15", "amount = float(text)", "fee = models.FloatField()", "def usd(rate: float): ..."]
)
def test_a_planted_float_is_caught(planted: str) -> None:
    assert list(floats(planted)) == [(1, planted)]


def test_no_column_of_the_database_is_a_float(db: None) -> None:
    from tests.sql import run

    columns = run(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE data_type IN ('real', 'double precision', 'money') AND table_schema = 'public'"
    )
    assert [column for column in columns if not str(column[0]).startswith("django_celery_beat")] == []
