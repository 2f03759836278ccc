"""`make restore-drill DUMP=FILE`: whether a backup would bring the site back. CI runs the drill without one itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from bench.restore_drill import BINARIES
from tests.conftest import ROOT, Browser, Manage, environment

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="it is about PostgreSQL"),
]


def drill(*arguments: str, **changes: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "ignore", "-m", "bench.restore_drill", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(**changes), capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def dump(host: Browser, manage: Manage, tmp_path: Path) -> Path:
    path = tmp_path / "top-twenty.dump"
    assert manage("backup", str(path), PATH=f"{BINARIES}:{os.environ['PATH']}").returncode == 0
    return path


def test_a_dump_of_the_live_site_is_looked_into_without_asking_spotify(dump: Path) -> None:
    nowhere = {"SPOTIFY_ACCOUNTS_URL": "http://127.0.0.1:9", "SPOTIFY_API_URL": "http://127.0.0.1:9"}
    result = drill(str(dump), **nowhere)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "20 songs of short_term" in result.stdout and "SECRET_KEY reads the host's tokens" in result.stdout


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("key", "This SECRET_KEY does not read the host's tokens"),
        ("torn", "CommandError: pg_restore"),
    ],
)
def test_a_backup_that_would_not_bring_the_site_back_fails(dump: Path, change: str, reason: str) -> None:
    if change == "torn":
        dump.write_bytes(dump.read_bytes()[:20_000])
    result = drill(str(dump), **({"SECRET_KEY": "another " * 10} if change == "key" else {}))
    assert result.returncode == 1 and result.stderr.startswith(f"The drill failed. {reason}")
    assert "Traceback" not in result.stderr
