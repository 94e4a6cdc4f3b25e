"""Settings are safe by default, and what is unsafe or impossible is said at the start, with the way out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PRODUCTION = {
    "SECRET_KEY": "k7Jx2vQ9mZ4pW8sB1nL6tR3yD5hF0gC-uE_aXoIqNzMjKlYbTr",
    "ALLOWED_HOSTS": "api.dreamland.example",
    "DATABASE_URL": "postgres://dreamland_app:secret@127.0.0.1:1/dreamland",
    "REDIS_URL": "redis://:secret@127.0.0.1:1/0",
    "LEDGER_ANCHOR_FILE": "/var/lib/dreamland/anchor.jsonl",
    "VAULT_KEY_DIR": "/var/lib/dreamland/keys",
    "ERASURE_LIST": "/var/lib/dreamland/erasures.jsonl",
}


def check(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`manage.py check` in a process of its own, with this environment and no other."""
    return subprocess.run(
        [sys.executable, "manage.py", "check", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_deployment_check_is_silent_under_production_settings() -> None:
    checked = check("--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert (checked.returncode, "no issues" in checked.stdout) == (0, True), checked.stderr


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"SECRET_KEY": "short"}, "security.W009"),
        ({"DEBUG": "true"}, "security.W018"),
        ({"INSECURE_HTTP": "true"}, "security.W008"),
        ({"ALLOWED_HOSTS": ""}, "security.W020"),
        ({"DATABASE_URL": ""}, "dreamland.E006"),
        ({"REDIS_URL": ""}, "dreamland.E007"),
        ({"ENVIRONMENT": "local"}, "dreamland.E008"),
        ({"LEDGER_ANCHOR_FILE": ""}, "dreamland.E010"),
        ({"LEDGER_ANCHOR_HOOK": "somewhere.keep"}, "dreamland.E012"),
        ({"LEDGER_ANCHOR_READER": "somewhere.read"}, "dreamland.E012"),
        ({"STAFF_SECOND_FACTOR": "false"}, "dreamland.E011"),
        ({"VAULT_KEY_DIR": ""}, "dreamland.E014"),
        ({"ERASURE_LIST": ""}, "dreamland.E015"),
        ({"VAULT_KEY_PROVIDER": "nowhere.Keys"}, "dreamland.E013"),
        ({"ENVIRONMENT": "Live!"}, "dreamland.E005"),
        ({"RATE_PROVIDERS": "coin"}, "dreamland.E001"),
        ({"RATE_PROVIDERS": "http"}, "dreamland.E002"),
        ({"RATE_FIXED_PRICE": "fifteen"}, "dreamland.E003"),
        ({"RATE_FIXED_PRICE": "NaN"}, "dreamland.E003"),
        ({"RATE_FIXED_PRICE": "-1"}, "dreamland.E003"),
        ({"RATE_MIN": "2000"}, "dreamland.E004"),
        ({"APPROVAL_LIMITS": '{"Finance operator": {"ask": {"USD": "much"}}}'}, "dreamland.E016"),
        ({"APPROVAL_LIMITS": '{"Finance operator": {"give": {"USD": "1"}}}'}, "dreamland.E016"),
        ({"REGION": "eu"}, "dreamland.E021"),
        ({"MOVE_KEY": "c2hvcnQ="}, "dreamland.E023"),
        ({"MOVE_KEY": "not Base64!"}, "dreamland.E023"),
        ({"REGIONS": '{"e u": "https://eu.dreamland.example"}'}, "dreamland.E020"),
        ({"REGION": "eu", "REGIONS": '{"eu": "http://eu.dreamland.example"}'}, "dreamland.E022"),
    ],
)
def test_what_is_unsafe_or_impossible_fails_the_deployment_check(environment: dict[str, str], said: str) -> None:
    checked = check("--deploy", "--fail-level", "WARNING", **(PRODUCTION | environment))
    assert checked.returncode != 0
    assert said in checked.stderr


def test_without_servers_the_error_names_the_variable_that_is_missing() -> None:
    program = "import django; django.setup(); from django.db import connection; connection.cursor()"
    refused = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "dreamland.settings", "SECRET_KEY": "x", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "database-url-is-not-set" in refused.stderr


def test_every_setting_that_an_operator_may_set_stands_in_the_example() -> None:
    """Those that .env.example leaves out are numbers that nobody should have to touch: they are listed here."""
    import re

    source = (ROOT / "dreamland" / "settings.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', source))
    example = set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    limits = {name for name in read if re.search(r"_(MS|SECONDS|HOURS|MINUTES|ATTEMPTS|CHUNK|TICK|RUN|BYTES)$", name)}
    assert read - example - limits == {"STATIC_ROOT"}
    assert example <= read


def test_a_region_of_a_world_passes_the_deployment_check() -> None:
    world = {"REGION": "eu", "REGIONS": '{"eu": "https://eu.dreamland.example", "us": "https://us.dreamland.example"}'}
    checked = check("--deploy", "--fail-level", "WARNING", **(PRODUCTION | world))
    assert (checked.returncode, "no issues" in checked.stdout) == (0, True), checked.stderr
