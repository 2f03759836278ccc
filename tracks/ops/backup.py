"""The database into a file and back, at the address that the settings have: PostgreSQL by its own programs."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from django.db import connection
from psycopg.pq import Conninfo


class BackupError(Exception):
    """One sentence for the operator."""


def backup(path: Path) -> None:
    """Writes the database into a file that only its owner may read. A former file stays until the new one is whole.

    Raises BackupError, and leaves no half-written file.
    """
    # Without an address in the settings it would be a new, empty SQLite file.
    if "django_migrations" not in connection.introspection.table_names():
        raise BackupError("DATABASE_URL names a database without tables: there is nothing to back up.")
    part = path.with_name(f"{path.name}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
        if connection.vendor == "sqlite":
            with closing(sqlite3.connect(part)) as target:
                connection.connection.backup(target)
        else:
            # The pictures to share are drawn again.
            run("pg_dump", "--format=custom", "--no-owner", "--exclude-table-data=tracks_card", f"--file={part}")
        part.replace(path)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"{path} cannot be written: {error}.") from error
    finally:
        part.unlink(missing_ok=True)


def restore(path: Path) -> None:
    """Replaces what is in the database by what is in the file, whole or not at all. Raises BackupError."""
    if connection.vendor != "sqlite":
        run("pg_restore", "--no-owner", "--clean", "--if-exists", "--single-transaction", str(path.absolute()))
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source:
            (found,) = source.execute("PRAGMA integrity_check").fetchone()
            if found != "ok" or not source.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise BackupError(f"{path} is no whole backup of SQLite.")
            connection.ensure_connection()
            source.backup(connection.connection)
    except sqlite3.Error as error:
        raise BackupError(f"{path} is not restored: {error}.") from error


def run(program: str, *arguments: str) -> None:
    """Runs a program of PostgreSQL's on the site's database, whose address goes by the environment: the arguments of a
    process can be read by everybody on the machine."""
    where = shutil.which(program)
    if not where:
        raise BackupError(
            f"{program} is not installed: install PostgreSQL's client programs, of the server's version or newer "
            "(Debian: apt install postgresql-client)."
        )
    address = connection.get_connection_params()
    variables = {option.keyword.decode(): option.envvar.decode() for option in Conninfo.get_defaults() if option.envvar}
    environment = {variable: str(address[name]) for name, variable in variables.items() if address.get(name)}
    result = subprocess.run(
        [where, f"--dbname={address['dbname']}", "--no-password", *arguments],
        env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if result.returncode:
        raise BackupError(f"{program} failed: {result.stderr.strip()}")
