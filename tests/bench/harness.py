"""What every benchmark shares: a durable PostgreSQL of its own, rounds in turns, and figures with their floor beside.

A figure says nothing by itself on a machine that does other things too. So ours and its floor run in turns, in the same
minute and on the same server, and what counts is the median of their ratios.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).parent.parent.parent
SERVER_ROOT = ROOT / ".local" / "bench"
HISTORY = ROOT / "docs" / "performance" / "history.jsonl"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Side:
    """One side of one round: operations, seconds, CPU seconds of each kind of process, and what else is worth saying."""

    operations: int
    seconds: float
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    more: dict[str, float] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        return self.operations / self.seconds

    def cpu_milliseconds(self) -> dict[str, float]:  # for each operation
        return {name: seconds / self.operations * 1_000 for name, seconds in self.cpu_seconds.items()}


@dataclass(frozen=True)
class Figure:
    """Ours beside its floor at one size. `ratio` is ours by floor, the median of the rounds.

    `promise` is what the ratio should reach (`at_least`) or not exceed. Times are in seconds unless `unit` says more.
    """

    name: str
    size: int
    size_unit: str
    unit: str
    ours: float
    floor: float
    ratio: float
    rounds: Sequence[float]
    promise: float | None = None
    at_least: bool = True
    cpu_ms: dict[str, dict[str, float]] = field(default_factory=dict)
    more: dict[str, float] = field(default_factory=dict)
    benchmark: str = ""

    @property
    def kept(self) -> bool | None:
        if self.promise is None:
            return None
        return self.ratio >= self.promise if self.at_least else self.ratio <= self.promise

    def line(self) -> str:
        """One line for people."""
        said = {None: "", True: "kept", False: "NOT KEPT"}[self.kept]
        bound = "" if self.promise is None else f" ({'>=' if self.at_least else '<='} {self.promise:g}: {said})"
        cpu = "; ".join(
            f"{side} CPU ms each: " + ", ".join(f"{name} {ms:.3f}" for name, ms in parts.items())
            for side, parts in self.cpu_ms.items()
        )
        more = ", ".join(f"{name} {number(value)}" for name, value in self.more.items())
        return (
            f"{self.name} at {self.size:,} {self.size_unit}: {number(self.ours)} {self.unit}, floor {number(self.floor)}; "
            f"ratio {self.ratio:.2f}{bound}; rounds {', '.join(f'{ratio:.2f}' for ratio in self.rounds)}"
            + (f"; {more}" if more else "")
            + (f"; {cpu}" if cpu else "")
        )


@dataclass
class Report:
    """The figures of one run of the benchmarks, said as they come."""

    as_json: bool = False
    benchmark: str = ""  # the one that runs
    wanted: Sequence[int] = ()  # its sizes; none: all
    figures: list[Figure] = field(default_factory=list)

    def add(self, figure: Figure) -> None:
        figure = replace(figure, benchmark=self.benchmark)
        self.figures.append(figure)
        say(json.dumps(asdict(figure)) if self.as_json else figure.line())

    def sizes(self, known: Sequence[int]) -> list[int]:
        """Those of the sizes that are wanted."""
        return [size for size in known if not self.wanted or size in self.wanted]

    def note(self, line: str) -> None:
        """Says what is for people and is no figure."""
        if not self.as_json:
            say(line)


def number(value: float) -> str:
    """With three digits, or with all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def attach() -> None:
    """Gives this process a durable PostgreSQL and Valkey of their own, and Django on them."""
    from dreamland import local

    for variable in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(variable, None)
    local.attach(SERVER_ROOT)
    os.environ.update(DJANGO_SETTINGS_MODULE="dreamland.settings", LOG_LEVEL="ERROR", STATEMENT_TIMEOUT_MS="0")
    import django
    import stamina

    django.setup()
    stamina.instrumentation.set_on_retry_hooks([])  # what is tried again is counted, and not told line by line


def setting(name: str) -> str:
    """A setting of PostgreSQL."""
    return str(query(f"SHOW {name}")[0][0])


def query(sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    """The rows that a statement gives on Django's connection."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall()) if cursor.description else []


def fresh(name: str = "bench_figure") -> None:
    """Points Django at a new copy of the migrated template."""
    from tests import databases

    databases.use("postgres")
    databases.copy(databases.template(), name)
    databases.use(name)


def kept(name: str, fill: Callable[[], None]) -> None:
    """Points Django at a database that stays: filled where there is none, and migrated where it is older."""
    from django.core.management import call_command

    from tests import databases

    databases.use("postgres")
    if not query("SELECT 1 FROM pg_database WHERE datname = %s", [name]):
        making = f"{name}_making"
        databases.copy(databases.template(), making)
        databases.use(making)
        began = time.perf_counter()
        fill()
        took = time.perf_counter() - began
        databases.use("postgres")
        query(f"ALTER DATABASE {making} RENAME TO {name}")
        [(size,)] = query("SELECT pg_size_pretty(pg_database_size(%s))", [name])
        sys.stderr.write(f"{name}: filled in {took:.0f} s, {size}\n")
    databases.use(name)
    call_command("migrate", verbosity=0, interactive=False)


def database_url() -> str:
    """Of the database that this process works in, for other processes."""
    from django.db import connection

    url = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(url._replace(path=f"/{connection.settings_dict['NAME']}"))


def environment(**more: str) -> dict[str, str]:
    """For another process that works in the database of this one."""
    return {**os.environ, "DATABASE_URL": database_url(), **more}


def in_turns(
    name: str,
    ours: Callable[[], Side],
    floor: Callable[[], Side],
    *,
    size: int,
    size_unit: str,
    unit: str,
    rounds: int = 5,
    promise: float | None = None,
    at_least: bool = True,
    of: Callable[[Side], float] = lambda side: side.per_second,
    prepare: Callable[[], None] | None = None,
) -> Figure:
    """Runs both sides so many times in turns; what counts (`of`) of both, and the median of the ratios."""
    sides: list[tuple[Side, Side]] = []
    for _ in range(rounds):
        measured = []
        for side in (ours, floor):
            if prepare:
                prepare()
            measured.append(side())
        sides.append((measured[0], measured[1]))
    ratios = [of(mine) / of(its) for mine, its in sides]
    return Figure(
        name=name,
        size=size,
        size_unit=size_unit,
        unit=unit,
        ours=statistics.median(of(mine) for mine, _ in sides),
        floor=statistics.median(of(its) for _, its in sides),
        ratio=statistics.median(ratios),
        rounds=ratios,
        promise=promise,
        at_least=at_least,
        cpu_ms={
            name: medians([side.cpu_milliseconds() for side in each])
            for name, each in (("ours", [mine for mine, _ in sides]), ("floor", [its for _, its in sides]))
        },
        more={
            f"{name} {what}": value
            for name, each in (("ours", [mine for mine, _ in sides]), ("floor", [its for _, its in sides]))
            for what, value in medians([side.more for side in each]).items()
        },
    )


def medians(each: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of each name the median."""
    return {name: statistics.median(one[name] for one in each) for name in each[0]}


def percentile(values: Sequence[float], wanted: int) -> float:
    return statistics.quantiles(values, n=100)[wanted - 1]


# --- CPU of processes, from /proc ----------------------------------------------------------------------------------


def cpu_of_tree(pid: int) -> float:
    """CPU seconds of a process, of those below it, and of those below it that have ended."""
    parents: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
            used[int(entry.name)] = sum(int(ticks) for ticks in fields[11:15]) / TICKS
    total, waiting = 0.0, [pid]
    while waiting:
        current = waiting.pop()
        total += used.get(current, 0.0)
        waiting += parents.get(current, [])
    return total


def postgres_pid() -> int:
    """The postmaster of the server that this process works with."""
    (directory,) = query("SHOW data_directory")[0]
    return int((Path(directory) / "postmaster.pid").read_text().split()[0])


@contextmanager
def cpu(**pids: int) -> Iterator[dict[str, float]]:
    """CPU seconds that each of the process trees takes inside the block."""
    used: dict[str, float] = {}
    before = {name: cpu_of_tree(pid) for name, pid in pids.items()}
    yield used
    used.update({name: cpu_of_tree(pid) - before[name] for name, pid in pids.items()})


# --- The machine, and the history ----------------------------------------------------------------------------------


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return {
        "cpu": f"{os.cpu_count()} x {model}",
        "memory": f"{int(memory.split()[1]) / 2**20:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "postgresql": setting("server_version").split()[0],
        **{name: setting(name) for name in ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers")},
    }


def remember(figures: Sequence[Figure]) -> None:
    """Adds the figures to the history, one line each."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    about = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit, "machine": machine()}
    HISTORY.parent.mkdir(parents=True, exist_ok=True)
    with HISTORY.open("a", encoding="utf-8") as history:
        for figure in figures:
            history.write(json.dumps({**about, **asdict(figure)}) + "\n")


def clock() -> float:
    return time.perf_counter()
