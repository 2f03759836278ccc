"""What the environment may say, and that a bad value ends every start with one line that names it."""

import json
import logging
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.core.checks import CheckMessage
from spotipy import client, oauth2

from spotify_top import env
from tests.conftest import ROOT, Manage, environment
from tracks.ops import checks

KEY = "a key for the tests, long enough to please the checks of Django"


def python(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs code in another process, with nothing in its environment but a SECRET_KEY and what is given."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHON_DOTENV_DISABLED": "1", "SECRET_KEY": KEY, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )


def answer(code: str, **environment: str) -> Any:
    """What the code prints as JSON."""
    result = python(code, **environment)
    assert result.returncode == 0, result.stderr
    # Lines of the log may stand before it.
    return json.loads(result.stdout.splitlines()[-1])


def read(**environment: str) -> dict[str, Any]:
    """All settings as this environment makes them, in this process; what JSON cannot hold is text."""
    with mock.patch.dict(os.environ, {"PYTHON_DOTENV_DISABLED": "1", "SECRET_KEY": KEY} | environment, clear=True):
        module = runpy.run_path(str(ROOT / "spotify_top/settings.py"))
    named = {name: value for name, value in module.items() if name.isupper()}
    found: dict[str, Any] = json.loads(json.dumps(named, default=lambda value: str(value).split(" at 0x")[0]))
    return found


# Bad values


BAD = [
    ("SECRET_KEY", ["", "   "]),
    ("DEBUG", ["maybe", "2"]),
    ("BEHIND_PROXY", ["yes please", "https"]),
    ("ALLOWED_HOSTS", ["https://site.internal", "site.internal:8000", "site.internal/", "a..b", "[::1", "a;b"]),
    ("CSRF_TRUSTED_ORIGINS", ["site.internal", "//site.internal", "ftp://site.internal", "https://:443", "https://[",
                              "https://site.internal/path", "https://joe:hunter2@site.internal"]),
    ("DATABASE_URL", ["mysql://joe:hunter2@db.example.com/top", "hunter2", "postgres//joe", "POSTGRES://db/top",
                      "postgres://joe:hun[ter2@db.example.com/top", "postgres://joe:hun#ter2@db.example.com/top",
                      "postgres://joe:hunter2@db.example.com:port/top", "postgres://joe:hunter2@db.example.com:99999/top",
                      "postgres://joe:hunter2@db.example.com", "postgres://joe:hunter2@db.example.com/",
                      "sqlite:///relative.sqlite3", "sqlite:////no/such/folder/hunter2.sqlite3", "sqlite://:memory:"]),
    ("SPOTIFY_ACCOUNTS_URL", ["http://accounts.example.com", "accounts.example.com", "ftp://127.0.0.1", "https://:443",
                              "http://127.0.0.1.example.com", "http://localhost@accounts.example.com"]),
    ("SPOTIFY_API_URL", ["http://api.example.com/v1", "https://joe:hunter2@api.example.com", "https://joe@api.example.com",
                         "https://:hunter2@api.example.com", "gar bage", "https://api example com", "https://[::1",
                         "https://api.example.com:port", "https://api.example.com:99999", "https://api.example.com:0",
                         "https://api.example.com?", "https://api.example.com/v1#hunter2"]),
    ("TOP_TRACKS_LIMIT", ["00", "21", "abc", "-3", "1.5", "1e1", "٣", "9" * 5000]),
    ("PORT", ["0", "65536", "http"]),
    ("TRUSTED_PROXIES", ["-1", "11", "two", "1.0"]),
    ("CELERY_BROKER_URL", ["hunter2", "http://broker.example.com", "redis:///0", "redis://:hunter2@", "REDIS//broker",
                           "redis://joe:hunter2@broker:port/0", "redis://broker:0/0", "redis://broker/hunter2",
                           "amqp://joe:hun ter2@broker//", "memory://", "sqla+sqlite:////tmp/hunter2", "redis://[::1"]),
    ("REFRESH_CONCURRENCY", ["0", "65", "four"]),
    ("REFRESH_MINUTES", ["000", "43201", "hourly"]),
    ("SPOTIFY_CALLS_PER_30_SECONDS", ["0000000", "100001", "many"]),
    ("STAGING_DIR", ["staging", "./staging", "~/staging"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in BAD for value in values],
    ids=lambda text: text[:40],
)
def test_a_bad_value_ends_the_start_with_one_line_that_names_the_variable_and_hides_the_value(
    name: str, value: str
) -> None:
    with pytest.raises(SystemExit) as end:
        read(**{name: value})
    line = str(end.value.code)
    assert line.startswith(f"{name} ") and "\n" not in line
    assert not value.strip() or value not in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "url", ["redis://broker:6379/0", "rediss://:pass@broker.example.com:6380", "redis://[::1]:6379/15", "amqp://joe:pass@broker//",
            "amqps://joe:pass@broker.example.com/top", "sqs://", "sqs://key:secret@"]
)  # fmt: skip
def test_a_broker_may_be_redis_rabbitmq_or_sqs(url: str) -> None:
    assert read(CELERY_BROKER_URL=url)["CELERY_BROKER_URL"] == url


@pytest.mark.parametrize(
    "command", [["check"], ["migrate"], ["refresh_top_tracks"], ["demo"], ["runserver", "--noreload", "127.0.0.1:0"]]
)
def test_a_bad_value_stops_every_command(manage: Manage, command: list[str]) -> None:
    result = manage(*command, TOP_TRACKS_LIMIT="many")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "TOP_TRACKS_LIMIT must be a whole number from 1 to 20.\n"


def test_one_bad_value_among_good_ones_is_refused() -> None:
    with pytest.raises(SystemExit, match="ALLOWED_HOSTS"):
        read(ALLOWED_HOSTS="top.example.com, https://b.example.com")


# Good values


OPTIONAL = [
    "SECRET_KEY_FALLBACKS", "DEBUG", "BEHIND_PROXY", "SITE_NAME", "SPOTIPY_CLIENT_ID", "SPOTIPY_CLIENT_SECRET",
    "SPOTIFY_HOST_ID", "SPOTIFY_ACCOUNTS_URL", "SPOTIFY_API_URL", "TOP_TRACKS_LIMIT", "STAGING_DIR", "REFRESH_TOKEN",
    "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "DATABASE_URL", "RENDER_EXTERNAL_HOSTNAME", "PORT",
]  # fmt: skip


def test_an_empty_variable_counts_as_unset() -> None:
    unset = read()
    assert read(**dict.fromkeys(OPTIONAL, "")) == unset
    assert read(**dict.fromkeys(OPTIONAL, "  ")) == unset


def test_the_sites_own_address_has_its_port() -> None:
    assert read()["SITE_URL"] == "http://127.0.0.1:8000"
    assert read(PORT="8090")["SITE_URL"] == "http://127.0.0.1:8090"
    assert read(PORT="8090", ALLOWED_HOSTS="top.example.com")["SITE_URL"] == "http://top.example.com"


def test_only_the_secret_key_must_be_set() -> None:
    found = read()
    assert (found["DEBUG"], found["BEHIND_PROXY"], found["SITE_NAME"]) == (False, False, "Top Twenty")
    assert found["SPOTIFY_ACCOUNTS_URL"] == "https://accounts.spotify.com"
    assert found["SPOTIFY_API_URL"] == "https://api.spotify.com/v1"
    assert (found["TOP_TRACKS_LIMIT"], found["STAGING_DIR"], found["REFRESH_TOKEN"]) == (20, None, "")
    assert found["DATABASES"]["default"]["NAME"] == str(ROOT / "db.sqlite3")
    assert found["ALLOWED_HOSTS"] == ["127.0.0.1", "localhost", "[::1]"]
    assert found["CSRF_TRUSTED_ORIGINS"] == [] == found["SECRET_KEY_FALLBACKS"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SECRET_KEY", "  spaces around  ", "spaces around"),
        ("SECRET_KEY_FALLBACKS", "older, oldest,", ["older", "oldest"]),
        ("DEBUG", "ON", True),
        ("DEBUG", "1", True),
        ("DEBUG", "False", False),
        ("CSRF_TRUSTED_ORIGINS", "https://a.example, http://[::1]:8000", ["https://a.example", "http://[::1]:8000"]),
        ("CSRF_TRUSTED_ORIGINS", "https://*.example.com", ["https://*.example.com"]),
        ("SPOTIFY_API_URL", "https://api.example.com/v1/", "https://api.example.com/v1"),
        ("SPOTIFY_API_URL", "http://127.0.0.1:9000/v1", "http://127.0.0.1:9000/v1"),
        ("SPOTIFY_ACCOUNTS_URL", "http://[::1]:9000", "http://[::1]:9000"),
        ("SPOTIFY_ACCOUNTS_URL", "http://localhost:9000", "http://localhost:9000"),
        ("TOP_TRACKS_LIMIT", "1", 1),
        ("TRUSTED_PROXIES", "0", 0),
        ("TRUSTED_PROXIES", "10", 10),
        ("TOP_TRACKS_LIMIT", "20", 20),
        ("STAGING_DIR", "/var/lib/top", "/var/lib/top"),
    ],
)
def test_a_good_value_is_read(name: str, value: str, expected: object) -> None:
    assert read(**{name: value})[name] == expected


def test_loopback_stays_among_the_allowed_hosts() -> None:
    found = read(ALLOWED_HOSTS="top.example.com, .example.org,[2001:db8::1]")["ALLOWED_HOSTS"]
    assert found == ["top.example.com", ".example.org", "[2001:db8::1]", "127.0.0.1", "localhost", "[::1]"]


def test_renders_own_host_name_is_trusted_by_itself() -> None:
    found = read(
        RENDER_EXTERNAL_HOSTNAME="top.onrender.com",
        ALLOWED_HOSTS="top.example.com",
        CSRF_TRUSTED_ORIGINS="https://top.example.com",
    )
    assert {"top.onrender.com", "top.example.com"} <= set(found["ALLOWED_HOSTS"])
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://top.example.com", "https://top.onrender.com"]


def test_the_demos_ribbon_and_quiet_log_are_off_unless_the_demo_asks() -> None:
    assert read()["LOGGING"]["loggers"]["tracks"]["level"] == "INFO"
    assert read(DEMO="on")["LOGGING"]["loggers"]["tracks"]["level"] == "WARNING"


# Behind a proxy


VISIT = """
import json, os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "spotify_top.settings"
django.setup()
from django.test import Client
found = {}
for scheme in ("http", "https"):
    client = Client(HTTP_HOST="127.0.0.1", HTTP_X_FORWARDED_PROTO=scheme)
    page, health = client.get("/login"), client.get("/health")
    found[scheme] = {
        "status": page.status_code,
        "location": page.get("Location"),
        "secure": page.wsgi_request.is_secure(),
        "hsts": page.get("Strict-Transport-Security"),
        "secure cookie": bool(page.cookies["csrftoken"]["secure"]) if page.cookies else None,
        "health redirects": health.status_code == 301,
    }
print(json.dumps(found))
"""


def visit(tmp_path: Path, **environment: str) -> Any:
    return answer(
        VISIT,
        SPOTIPY_CLIENT_ID="id",
        SPOTIPY_CLIENT_SECRET="secret",
        DATABASE_URL=f"sqlite:///{tmp_path}/db.sqlite3",
        **environment,
    )


def test_behind_a_proxy_pages_are_https_alone_with_secure_cookies_and_hsts(tmp_path: Path) -> None:
    found = visit(tmp_path, BEHIND_PROXY="on")
    assert (found["http"]["status"], found["http"]["location"]) == (301, "https://127.0.0.1/login")
    assert (found["https"]["status"], found["https"]["secure"], found["https"]["secure cookie"]) == (200, True, True)
    assert found["https"]["hsts"] == "max-age=31536000"
    assert not found["http"]["health redirects"]
    settings = read(BEHIND_PROXY="on")
    assert settings["SESSION_COOKIE_SECURE"] and settings["CSRF_COOKIE_SECURE"]


def test_without_a_proxy_its_headers_are_not_believed_and_plain_http_works(tmp_path: Path) -> None:
    found = visit(tmp_path)
    for scheme in ("http", "https"):
        assert found[scheme] == {
            "status": 200,
            "location": None,
            "secure": False,
            "hsts": None,
            "secure cookie": False,
            "health redirects": False,
        }
    settings = read()
    assert not settings["SESSION_COOKIE_SECURE"] and "SECURE_PROXY_SSL_HEADER" not in settings


# Databases


SQLITE = """
import json, os, sqlite3, django
os.environ["DJANGO_SETTINGS_MODULE"] = "spotify_top.settings"
django.setup()
from django.db import connection, transaction
found = {}
with connection.cursor() as cursor:
    for pragma in ("journal_mode", "busy_timeout", "synchronous", "foreign_keys"):
        found[pragma] = cursor.execute(f"PRAGMA {pragma}").fetchone()[0]
other = sqlite3.connect(connection.settings_dict["NAME"], timeout=0)
def writes():
    try:
        other.execute("BEGIN IMMEDIATE")
        other.rollback()
        return True
    except sqlite3.OperationalError:
        return False
found["free"] = writes()
with transaction.atomic():
    found["free in a transaction"] = writes()
print(json.dumps(found))
"""


def test_sqlite_gets_wal_immediate_transactions_and_waits_for_other_writers(tmp_path: Path) -> None:
    assert answer(SQLITE, DATABASE_URL=f"sqlite:///{tmp_path}/a%20b.sqlite3") == {
        "journal_mode": "wal",
        "busy_timeout": 10_000,
        "synchronous": 1,
        "foreign_keys": 1,
        "free": True,
        "free in a transaction": False,
    }
    assert (tmp_path / "a b.sqlite3").exists()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_postgresql_gets_persistent_connections_with_health_checks_and_a_bounded_wait(scheme: str) -> None:
    found = read(DATABASE_URL=f"{scheme}://joe:hun%5Bter@db.example.com:6432/top?sslmode=require")["DATABASES"][
        "default"
    ]
    assert found["ENGINE"] == "django.db.backends.postgresql"
    assert (found["NAME"], found["USER"], found["PASSWORD"]) == ("top", "joe", "hun[ter")
    assert (found["HOST"], found["PORT"]) == ("db.example.com", 6432)
    assert found["CONN_MAX_AGE"] == 600 and found["CONN_HEALTH_CHECKS"]
    assert found["OPTIONS"] == {"sslmode": "require", **env.DEAD_PEER, "options": env.TIME_LIMITS}


def test_options_in_the_database_url_join_the_sites_own() -> None:
    url = "postgres://h/top?options=-c%20search_path%3Dtop&connect_timeout=2"
    found = read(DATABASE_URL=url)["DATABASES"]["default"]
    assert found["OPTIONS"]["options"] == f"{env.TIME_LIMITS} -c search_path=top"
    assert found["OPTIONS"]["connect_timeout"] in (2, "2")


def test_in_the_server_visitors_share_connections_to_postgresql_alone() -> None:
    shared = read(DATABASE_URL="postgres://h/top", DATABASE_SHARED="on")["DATABASES"]["default"]
    assert (shared["ENGINE"], shared["CONN_MAX_AGE"]) == ("spotify_top.postgres", 0)
    sqlite = read(DATABASE_URL="sqlite:////tmp/top.sqlite3", DATABASE_SHARED="on")["DATABASES"]["default"]
    assert sqlite["ENGINE"] == "django.db.backends.sqlite3"


# What `manage.py check` says


def ids(found: list[CheckMessage]) -> list[str | None]:
    return [message.id for message in found]


@pytest.mark.parametrize(
    ("client_id", "secret", "missing"),
    [
        ("id", "secret", []),
        ("", "secret", ["SPOTIPY_CLIENT_ID"]),
        ("id", "", ["SPOTIPY_CLIENT_SECRET"]),
        ("", "", ["SPOTIPY_CLIENT_ID", "SPOTIPY_CLIENT_SECRET"]),
    ],
)
def test_w001_names_each_missing_credential(settings: Any, client_id: str, secret: str, missing: list[str]) -> None:
    settings.SPOTIPY_CLIENT_ID, settings.SPOTIPY_CLIENT_SECRET = client_id, secret
    found = checks.spotify_credentials()
    assert ids(found) == (["tracks.W001"] if missing else [])
    assert re.findall("SPOTIPY_[A-Z_]+", "".join(message.msg for message in found)) == missing


@pytest.mark.parametrize("slips", [["SPOTIFY_CLIENT_ID"], ["SPOTIFY_CLIENT_ID", "SPOTIFY_CLIENT_SECRET"]])
def test_w001_names_the_likely_slip(manage: Manage, slips: list[str]) -> None:
    unset = {name.replace("SPOTIFY", "SPOTIPY"): "" for name in slips}
    result = manage("check", **unset, **dict.fromkeys(slips, "hunter2"))
    assert "tracks.W001" in result.stderr and "hunter2" not in result.stderr
    for name in slips:
        assert f"{name} as {name.replace('SPOTIFY', 'SPOTIPY')}" in result.stderr
    assert result.stderr.count(" as ") == len(slips)
    # Where the right name is set too, the other belongs to something else.
    assert "tracks.W001" not in manage("check", SPOTIFY_CLIENT_ID="hunter2").stderr


@pytest.mark.parametrize(
    ("name", "fine"),
    [
        ("Top Twenty", True),
        ("Joe's chart for Spotify", True),
        ("JOE'S CHART FOR SPOTIFY", True),
        ("A spotlight", True),
        ("Spotlist", False),
        ("spot for Spotify", False),
        ("My Spotify chart", False),
        ("Chartify Spotify", False),
        ("Spotify", False),
    ],
)
def test_w002_keeps_to_spotifys_rules_for_names(settings: Any, name: str, fine: bool) -> None:
    settings.SITE_NAME = name
    assert ids(checks.site_name()) == ([] if fine else ["tracks.W002"])


def test_w003_wants_a_staging_folder_that_can_be_written_to(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for folder, fine in ((None, True), (tmp_path, True), (tmp_path / "none", False), (tmp_path / "file", False)):
        settings.STAGING_DIR = folder
        assert ids(checks.staging_folder()) == ([] if fine else ["tracks.W003"]), folder
    settings.STAGING_DIR = tmp_path
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK)
    assert ids(checks.staging_folder()) == ["tracks.W003"]


@pytest.mark.parametrize(
    ("hosts", "fine"),
    [
        (["127.0.0.1", "localhost", "[::1]"], False),
        ([], False),
        (["top.example.com", "127.0.0.1", "localhost", "[::1]"], True),
        (["*", "127.0.0.1"], True),
    ],
)
def test_w004_wants_a_public_host(settings: Any, hosts: list[str], fine: bool) -> None:
    settings.ALLOWED_HOSTS = hosts
    assert ids(checks.public_host()) == ([] if fine else ["tracks.W004"])


def test_check_prints_the_warnings_and_goes_on(manage: Manage, tmp_path: Path) -> None:
    result = manage("check", "--deploy", SPOTIPY_CLIENT_ID="", SITE_NAME="Spotlist", STAGING_DIR=str(tmp_path / "none"))
    assert result.returncode == 0
    for number in range(1, 5):
        assert result.stderr.count(f"tracks.W00{number}") == 1, result.stderr


def test_a_site_that_is_set_up_passes_every_check(manage: Manage, tmp_path: Path) -> None:
    result = manage(
        "check",
        "--deploy",
        "--fail-level=WARNING",
        BEHIND_PROXY="on",
        ALLOWED_HOSTS="top.example.com",
        STAGING_DIR=str(tmp_path),
    )
    assert result.returncode == 0, result.stderr


# Logs


@pytest.mark.parametrize("logger", [client.logger, oauth2.logger], ids=lambda logger: str(logger.name))
@pytest.mark.parametrize("level", [logging.DEBUG, logging.ERROR, logging.CRITICAL])
def test_spotipys_loggers_which_write_tokens_let_nothing_through(
    caplog: pytest.LogCaptureFixture, logger: logging.Logger, level: int
) -> None:
    for name in (None, "tracks", logger.name):
        caplog.set_level(logging.DEBUG, logger=name)
    logger.log(level, "Authorization: Bearer secret")
    assert not caplog.records
    logging.getLogger("tracks").log(level, "a line of our own")
    assert len(caplog.records) == 1


# The command line


@pytest.mark.parametrize("has_venv", [True, False])
def test_without_the_virtual_environment_one_line_says_what_to_type(tmp_path: Path, has_venv: bool) -> None:
    shutil.copy(ROOT / "manage.py", tmp_path)
    if has_venv:
        (tmp_path / ".venv/bin").mkdir(parents=True)
        (tmp_path / ".venv/bin/python").touch()
    # -S and -I: a Python without packages.
    command = [sys.executable, "-S", "-I", "manage.py", "createsuperuser", "--username", "a host"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1), result.stderr
    wanted = ".venv/bin/python manage.py createsuperuser --username 'a host'\n" if has_venv else "make run"
    assert wanted in result.stderr and "django" in result.stderr


def test_a_database_that_is_away_or_empty_is_no_traceback(manage: Manage, tmp_path: Path) -> None:
    for address in ("postgres://joe:hunter2@127.0.0.1:9/top", f"sqlite:///{tmp_path}/empty.sqlite3"):
        result = manage("createsuperuser", "--noinput", DATABASE_URL=address, DJANGO_SUPERUSER_USERNAME="x",
                        DJANGO_SUPERUSER_EMAIL="x@example.com", DJANGO_SUPERUSER_PASSWORD="x")  # fmt: skip
        assert result.returncode == 1 and "Check DATABASE_URL" in result.stderr, result.stderr
        assert "Traceback" not in result.stderr and "hunter2" not in result.stderr


def test_a_reader_that_has_seen_enough_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "manage.py", "help"]
    result = subprocess.run(command, cwd=ROOT, env=environment(), stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert result.stderr == ""


def test_a_short_command_ends_without_looking_through_all_that_was_loaded() -> None:
    code = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 1000)); import spotify_top"
    assert python(code).stdout == "True\n"
