"""The life of the embedded servers: who starts them, who shares them, and that nothing is left behind."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from dreamland.local import files
from dreamland.local.keeper import GRACE_SECONDS
from tests.local.conftest import CLEAN_ENVIRONMENT, SCRIPT, Client, all_gone, pid_of, processes_of

Attached = Callable[..., Client]


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_a_client_gets_both_servers_as_they_are_promised(shared: Client) -> None:
    settings = "SELECT current_setting('server_version_num')::int / 10000, current_setting('fsync'),"
    settings += " current_setting('TimeZone'), current_setting('server_encoding'), current_database()::text"
    assert execute(shared.database_url, settings) == [(18, "on", "UTC", "UTF8", "dreamland")]
    broker = redis.Redis.from_url(shared.redis_url)
    assert broker.config_get("maxmemory-policy", "save", "appendonly") == {
        "maxmemory-policy": "noeviction",
        "save": "",
        "appendonly": "no",
    }


def test_the_environment_is_filled_in_and_what_the_user_has_set_is_kept(attached: Attached) -> None:
    client = attached(environment={"ENVIRONMENT": "mine"})
    environment = client.answer["environment"]
    assert environment["DATABASE_URL"] == client.database_url
    assert environment["REDIS_URL"] == client.redis_url
    assert environment["ENVIRONMENT"] == "mine"
    assert environment["INSECURE_HTTP"] == "1"
    assert len(environment["SECRET_KEY"]) >= 50


def test_nothing_is_started_when_both_urls_are_set_in_environment_and_dotenv(root: Path, attached: Attached) -> None:
    root.parent.joinpath(".env").write_text("export REDIS_URL='redis://mine/0'\nSECRET_KEY=\n")
    client = attached(environment={"DATABASE_URL": "postgres://mine/books"})
    assert (client.database_url, client.redis_url) == ("postgres://mine/books", "redis://mine/0")
    assert client.answer["embedded"] == []
    assert "SECRET_KEY" not in client.answer["environment"]
    assert not root.exists()


def test_only_the_server_whose_url_is_missing_is_started(root: Path, attached: Attached) -> None:
    root.parent.joinpath(".env").write_text("REDIS_URL=redis://hidden-by-an-empty-variable/0\n")
    client = attached(environment={"DATABASE_URL": "postgres://mine/books", "REDIS_URL": ""})
    assert client.answer["embedded"] == ["valkey"]
    assert redis.Redis.from_url(client.redis_url).ping()
    assert "SECRET_KEY" not in client.answer["environment"]
    assert not (root / "postgres").exists()


def test_an_attach_imports_no_django(shared: Client, attached: Attached) -> None:
    """Which is most of what it would take: every command attaches before it does anything."""
    first = shared
    assert first.database_url
    warm = [attached(first.root).answer for _ in range(2)]  # one after the other
    assert not any(answer["imported_django"] for answer in [first.answer, *warm])


def test_when_the_last_client_has_ended_no_process_is_left(root: Path, attached: Attached) -> None:
    first, second = attached(), attached()
    assert first.database_url == second.database_url
    first.end()
    time.sleep(GRACE_SECONDS + 1)
    assert execute(second.database_url, "SELECT 1") == [(1,)]  # somebody is left, so the server is
    second.end()
    assert all_gone(root)
    assert not (root / "postgres" / "server.json").exists()


def test_a_killed_client_leaves_no_process_behind(root: Path, attached: Attached) -> None:
    client = attached()
    assert client.database_url
    client.kill()
    assert all_gone(root)


def test_a_program_that_the_client_started_does_not_keep_the_servers(root: Path, place: Path) -> None:
    script = (
        "import subprocess, sys; from pathlib import Path; from dreamland import local;"
        "local.attach(Path(sys.argv[1]), durable=False);"
        "print(subprocess.Popen(['sleep', '60'], cwd='/', close_fds=False, stdout=-3, stderr=-3).pid)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(root)], capture_output=True, text=True, env=CLEAN_ENVIRONMENT, check=True
    )
    try:
        assert all_gone(root, GRACE_SECONDS + 8)
    finally:
        os.kill(int(done.stdout), signal.SIGKILL)


def test_a_pipe_of_the_client_that_started_the_servers_ends_with_the_client(root: Path, attached: Attached) -> None:
    first, second = attached(), attached()
    assert first.database_url == second.database_url
    first.end()  # raises when standard output stays open
    assert processes_of(root)


def test_data_survives_a_stop_and_a_start(root: Path, attached: Attached) -> None:
    client = attached(durable=True)
    execute(client.database_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    client.end()
    assert all_gone(root)
    assert execute(attached(durable=True).database_url, "SELECT answer FROM kept") == [(42,)]


def test_two_roots_have_servers_of_their_own(place: Path, attached: Attached) -> None:
    one, two = attached(place / "one"), attached(place / "two")
    execute(one.database_url, "CREATE TABLE only_here ()")
    assert urlsplit(one.database_url).port != urlsplit(two.database_url).port
    assert execute(two.database_url, "SELECT to_regclass('only_here')") == [(None,)]
    one.end()
    assert all_gone(place / "one")
    assert execute(two.database_url, "SELECT 1") == [(1,)]


def test_clients_that_come_at_once_share_one_server(root: Path, attached: Attached) -> None:
    clients = [attached() for _ in range(5)]
    assert len({client.database_url for client in clients}) == 1
    assert len({client.redis_url for client in clients}) == 1
    assert len([line for line in processes_of(root).values() if "bin/postgres -D" in line]) == 1
    assert files.wait_until(lambda: len([1 for p in processes_of(root).values() if "local.keeper" in p]) == 2, 10)


def test_a_client_that_comes_while_the_keeper_is_ending_gets_a_new_server(root: Path, attached: Attached) -> None:
    first = attached()
    assert first.database_url
    checkpointer = pid_of(root, "postgres: checkpointer")
    os.kill(checkpointer, signal.SIGSTOP)  # a shutdown now waits for us
    first.end()
    log = root / "logs" / "postgres.log"
    assert files.wait_until(lambda: "received fast shutdown request" in files.tail(log), 20)
    second = attached()
    time.sleep(0.5)
    os.kill(checkpointer, signal.SIGCONT)
    assert second.database_url != first.database_url
    assert execute(second.database_url, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("server", ["postgres", "valkey"])
def test_a_killed_keeper_takes_its_server_along_and_the_next_client_gets_another(
    root: Path, attached: Attached, server: str
) -> None:
    assert attached().database_url
    words = {"postgres": "bin/postgres -D", "valkey": "valkey-server"}[server]
    old = pid_of(root, words)
    os.kill(pid_of(root, f"keeper {server}"), signal.SIGKILL)
    assert files.wait_until(lambda: old not in processes_of(root), 20)
    client = attached()
    assert execute(client.database_url, "SELECT 1") == [(1,)]
    assert redis.Redis.from_url(client.redis_url).ping()


def test_a_server_that_dies_takes_its_keeper_along(root: Path, attached: Attached) -> None:
    assert attached().database_url
    os.kill(pid_of(root, "bin/postgres -D"), signal.SIGKILL)
    assert files.wait_until(lambda: not any("keeper postgres" in line for line in processes_of(root).values()), 20)
    assert execute(attached().database_url, "SELECT 1") == [(1,)]


def test_a_durable_client_is_not_given_a_server_without_fsync(attached: Attached) -> None:
    assert attached(durable=False).database_url
    refused = attached(durable=True)
    assert refused.answer["error"] == "LocalServerError"
    assert "without fsync" in refused.answer["message"]


def test_secrets_are_readable_by_their_owner_only(shared: Client) -> None:
    secrets = [urlsplit(shared.database_url).password, urlsplit(shared.redis_url).password]
    holders = [
        path
        for path in shared.root.rglob("*")
        if path.is_file() and any(str(secret).encode() in path.read_bytes() for secret in secrets)
    ]
    assert {shared.root / "postgres" / "password", shared.root / "postgres" / "server.json"} <= set(holders)
    assert [oct(path.stat().st_mode & 0o077) for path in [*holders, shared.root / "secret-key"]] == ["0o0"] * (
        len(holders) + 1
    )
    assert not any(str(secret) in line for line in processes_of(shared.root).values() for secret in secrets)


def test_a_wrong_password_is_refused_by_both(shared: Client) -> None:
    wrong = shared.database_url.replace(str(urlsplit(shared.database_url).password), "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(shared.redis_url.replace(str(urlsplit(shared.redis_url).password), "guess")).ping()
    hashes = execute(shared.database_url, "SELECT rolpassword FROM pg_authid WHERE rolname = 'dreamland'")
    assert str(hashes[0][0]).startswith("SCRAM-SHA-256$")


def test_both_listen_on_the_loopback_interface_only(shared: Client) -> None:
    ports = {f"{urlsplit(url).port:04X}" for url in (shared.database_url, shared.redis_url)}
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            if fields[3] == "0A" and port in ports:
                listening.append(address)
    assert listening == ["0100007F", "0100007F"]
    assert not list(shared.root.rglob(".s.PGSQL*"))


def test_no_permission_outside_the_root_is_changed(root: Path, attached: Attached) -> None:
    watched = [*root.parents, *Path(sys.prefix).glob("lib/python*/site-packages/*pgserver*"), Path(sys.prefix)]
    before = [(path, stat.filemode(path.stat().st_mode), path.stat().st_uid) for path in watched]
    assert attached().database_url
    assert [(path, stat.filemode(path.stat().st_mode), path.stat().st_uid) for path in watched] == before


def test_a_root_that_cannot_be_used_is_an_error_with_a_way_out(place: Path, attached: Attached) -> None:
    (place / "file").write_text("")
    refused = attached(place / "file" / ".local")
    assert refused.answer["error"] == "LocalServerError"
    assert "DATABASE_URL" in refused.answer["message"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs a Python that every user can run")
def test_a_normal_user_runs_both_under_its_own_name(place: Path) -> None:
    os.chown(place, 65534, 65534)
    paths = os.pathsep.join([CLEAN_ENVIRONMENT["PYTHONPATH"], *(path for path in sys.path if "site-packages" in path)])
    done = subprocess.run(
        ["/usr/bin/python3", str(SCRIPT), str(place / ".local"), "fast"],
        input="",
        capture_output=True,
        text=True,
        cwd="/",
        env={"PATH": os.defpath, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        user=65534,
        group=65534,
        extra_groups=[],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert execute(json.loads(done.stdout)["database_url"], "SELECT 1") == [(1,)]
    assert stat.filemode((place / ".local").stat().st_mode) == "drwx------"
    assert {path.stat().st_uid for path in (place / ".local").rglob("*")} == {65534}
    assert all_gone(place)
