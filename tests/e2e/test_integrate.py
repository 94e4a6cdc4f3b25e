"""docs/integrate.md does what it says: its blocks are run, in order, against a live server."""

import itertools
import os
import re
import subprocess
import sys
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from tests.sql import run

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = (ROOT / "docs" / "integrate.md").read_text()
BLOCK = re.compile(r"^```(?P<language>sh|python)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
ANSWER = re.compile(r"# answers (\d{3})")


def blocks() -> list[tuple[str, str]]:
    return [(found["language"], found["code"]) for found in BLOCK.finditer(DOCUMENT)]


def script() -> str:
    """All blocks as one program of the shell; Python blocks that follow each other build on each other."""
    lines = ["set -eu", 'uv() { shift; "$PYTHON" "$@"; }', 'python3() { "$PYTHON" "$@"; }']
    for language, group in itertools.groupby(blocks(), key=itemgetter(0)):
        code = "\n".join(code for _, code in group)
        lines.append(code if language == "sh" else f"\"$PYTHON\" - <<'END_OF_PYTHON'\n{code}END_OF_PYTHON")
    return "\n".join(lines)


def database_url() -> str:
    its = connection.settings_dict
    return f"postgres://{its['USER']}:{quote(its['PASSWORD'], safe='')}@{its['HOST']}:{its['PORT']}/{its['NAME']}"


@pytest.mark.django_db
def test_every_block_of_the_guide_runs_in_order_and_is_answered_as_it_says(live_server: Any) -> None:
    told = subprocess.run(
        ["bash", "-c", script()],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PYTHON": sys.executable,
            "API": live_server.url,
            "DATABASE_URL": database_url(),
            "REDIS_URL": settings.CELERY_BROKER_URL,
            "SECRET_KEY": settings.SECRET_KEY,
            "ENVIRONMENT": settings.ENVIRONMENT,
            "INSECURE_HTTP": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    answered = re.findall(r"^(\d{3})$", told.stdout, re.MULTILINE)
    assert answered == ANSWER.findall(DOCUMENT)
    assert len(answered) >= 12
    wins = run("SELECT reference, amount, voided_by_id IS NOT NULL FROM rewards_win ORDER BY entry_id")
    assert [(reference, str(amount), voided) for reference, amount, voided in wins] == [
        ("match-1042", "1.25", True),
        ("match-2000", "0.5", False),
        ("match-2002", "0.25", False),
    ]


def test_the_guide_has_blocks_of_both_kinds_and_no_block_that_is_not_run() -> None:
    assert {language for language, _ in blocks()} == {"sh", "python"}
    assert DOCUMENT.count("\n```") == 2 * len(blocks())


def test_the_guide_names_no_key_of_anybody() -> None:
    assert not re.search(r"dl_[a-z]+_[0-9a-f]{16}_", DOCUMENT)
