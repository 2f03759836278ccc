"""`manage.py backup` and `restore`: the database as a file, and back."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from bench.restore_drill import BINARIES
from tests.conftest import ROOT, Browser, Manage, database_url
from tracks.models import Artist, Listener, Placement

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="it is about PostgreSQL's programs")

PATH = f"{BINARIES}:{os.environ['PATH']}"


def fake(folder: Path, program: str, script: str) -> str:
    """A PATH on which another program stands first under that name."""
    path = folder / program
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return f"{folder}:{PATH}"


def refused(command: str, file: Path, *, path: str = PATH) -> str:
    """The one line with which the command ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", path)
        with pytest.raises(CommandError) as told:
            call_command(command, file)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_what_was_backed_up_comes_back(host: Browser, manage: Manage, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    before = list(Placement.objects.order_by("id").values())
    result = manage("backup", str(file), PATH=PATH)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"The database is in {file}: ")
    assert file.stat().st_mode & 0o777 == 0o600 and os.listdir(tmp_path) == ["backup"]

    Listener.objects.all().delete()
    Artist.objects.create(spotify_id="later", name="Later")
    result = manage("restore", str(file), PATH=PATH)
    assert result.returncode == 0, result.stderr
    assert list(Placement.objects.order_by("id").values()) == before and Listener.objects.get().is_host
    assert not Artist.objects.filter(spotify_id="later").exists()


def test_the_address_is_read_where_the_site_reads_it(host: Browser, tmp_path: Path) -> None:
    for name in ("spotify_top", "tracks"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "manage.py", tmp_path)
    (tmp_path / ".env").write_text(f"SECRET_KEY=hunter2\nDATABASE_URL={database_url()}\n")
    result = subprocess.run(
        [sys.executable, "manage.py", "backup", "backup"],
        cwd=tmp_path, env={"PATH": PATH}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "backup").stat().st_size > 20_000


def test_an_address_without_tables_makes_no_backup(db: None, manage: Manage, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    result = manage("backup", str(file), DATABASE_URL=f"sqlite:///{tmp_path}/empty.sqlite3")
    assert result.returncode == 1 and result.stderr.startswith("CommandError: DATABASE_URL names a database without")
    assert not file.exists()


def test_a_folder_that_does_not_exist_is_named(db: None, tmp_path: Path) -> None:
    assert f"{tmp_path}/none/backup cannot be written" in refused("backup", tmp_path / "none/backup")


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0 and PGDMP, but torn"])
def test_what_is_no_backup_changes_nothing(host: Browser, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "backup").write_bytes(content)
    assert refused("restore", tmp_path / "backup")
    assert Listener.objects.get().is_host


def test_a_file_that_is_missing_changes_nothing(host: Browser, tmp_path: Path) -> None:
    assert refused("restore", tmp_path / "none")
    assert Listener.objects.get().is_host and os.listdir(tmp_path) == []


@postgresql
def test_a_dump_that_fails_leaves_the_former_file(db: None, manage: Manage, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "backup").write_text("yesterday's")
    torn = f"echo half > {folder}/backup.part; echo No. >&2; exit 1"
    result = manage("backup", str(folder / "backup"), PATH=fake(tmp_path, "pg_dump", torn))
    assert (result.returncode, result.stderr) == (1, "CommandError: pg_dump failed: No.\n")
    assert os.listdir(folder) == ["backup"] and (folder / "backup").read_text() == "yesterday's"


@postgresql
@pytest.mark.parametrize("program", ["pg_dump", "pg_restore"])
def test_the_password_is_not_among_the_arguments(host: Browser, manage: Manage, tmp_path: Path, program: str) -> None:
    file = str(tmp_path / "backup")
    assert manage("backup", file, PATH=PATH).returncode == 0
    parts = urlsplit(database_url())
    address = parts._replace(netloc=f"{parts.username}:hunter2@{parts.hostname or ''}").geturl()
    spy = f"""echo "$PGPASSWORD" > {tmp_path}/environment
tr '\\0' ' ' < /proc/$$/cmdline > {tmp_path}/arguments
exec {BINARIES}/{program} "$@\""""
    command = "backup" if program == "pg_dump" else "restore"
    result = manage(command, file, DATABASE_URL=address, PATH=fake(tmp_path, program, spy))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "environment").read_text() == "hunter2\n"
    assert "--no-owner" in (tmp_path / "arguments").read_text()
    assert "hunter2" not in (tmp_path / "arguments").read_text()


@postgresql
@pytest.mark.parametrize(("command", "program"), [("backup", "pg_dump"), ("restore", "pg_restore")])
def test_without_its_program_one_sentence_says_what_to_install(
    db: None, tmp_path: Path, command: str, program: str
) -> None:
    line = refused(command, tmp_path / "backup", path=str(tmp_path))
    assert line.startswith(f"{program} is not installed: ")
    assert os.listdir(tmp_path) == []
