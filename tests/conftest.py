"""A simulated Spotify over real HTTP, and people who sign in through it."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.conf import settings as project
from django.db import connection
from django.test import Client, override_settings
from django.utils import translation
from xdist.scheduler import LoadFileScheduling

from bench.service import free_port
from simulator import Simulator
from tests import factories
from tests.helpers import serves, wait_until
from tracks.models import Listener

ROOT = Path(__file__).resolve().parent.parent


# Most of their time they wait: for processes, deadlines and dead networks.
WAITING = {
    "tests/deploy/test_server.py",
    "tests/etl/test_faults.py",
    "tests/etl/test_many_refreshes.py",
    "tests/ops/test_database_hangs.py",
    "tests/ops/test_database_stopped.py",
    "tests/ops/test_queue.py",
}


class ByFile(LoadFileScheduling):
    """What is slow to start is shared by the tests of a file, and Chromium by all that look through it.

    Two processes wait while the others compute, so that the processor is never idle; this saves a sixth of the time.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "tests/browser" if nodeid.startswith("tests/browser/") else super()._split_scope(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        others = [work for other, work in self.assigned_work.items() if other is not node]
        waiting = sum(scope in WAITING and not all(work[scope].values()) for work in others for scope in work)
        for scope in self.workqueue:
            if (scope in WAITING) == (waiting < 2):
                self.workqueue.move_to_end(scope, last=False)
                break
        super()._assign_work_unit(node)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


def pytest_collection_finish() -> None:
    """What stays for the whole session is not looked through for garbage again and again: an eighth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def _quick_flush() -> Iterator[None]:
    """After a test with transactions of its own, PostgreSQL deletes rows: TRUNCATE makes a new file for each index.

    Content types and permissions stay, so that they need not be made again.
    """

    def deletes(operations: Any, style: Any, tables: list[str], **options: Any) -> list[str]:
        # Django's foreign keys are checked when the transaction ends: any order will do.
        filled = [table for table in tables if table not in {"django_content_type", "auth_permission"}]
        return [f"DELETE FROM {operations.quote_name(table)}" for table in filled]

    with pytest.MonkeyPatch.context() as patch:
        if connection.vendor == "postgresql":
            patch.setattr(type(connection.ops), "sql_flush", deletes)
            patch.setattr("django.core.management.commands.flush.emit_post_migrate_signal", lambda *_, **__: None)
        yield


@pytest.fixture(scope="session")
def simulated_spotify() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(simulated_spotify: Simulator, settings: Any) -> Iterator[Simulator]:
    """Spotify, fresh, agreeing to every sign-in of `simulator.current`."""
    simulated_spotify.reset()
    simulated_spotify.auto_approve = True
    settings.SPOTIFY_ACCOUNTS_URL = simulated_spotify.accounts_url
    settings.SPOTIFY_API_URL = simulated_spotify.api_url
    yield simulated_spotify
    simulated_spotify.release()


class InlineAsker:
    """Asks in the test's own thread, on the test's own connection."""

    def __init__(self, ask: Callable[[], None]) -> None:
        self.start = ask


@pytest.fixture(autouse=True)
def _no_shared_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page is rendered anew, so that a test sees what it changed a moment ago."""
    monkeypatch.setattr("tracks.ops.shared.version.Asker", InlineAsker)
    monkeypatch.setattr("tracks.ops.shared.version.CHECK_SECONDS", 0)
    monkeypatch.setattr("tracks.ops.shared.store.PageStore.get", lambda store, key: None)


@pytest.fixture(autouse=True)
def _english() -> None:
    """As a process begins; Django leaves the last visitor's language to the thread."""
    translation.deactivate()


@pytest.fixture(autouse=True)
def _no_limits() -> Iterator[None]:
    """The tests come from one address, more often than any person does."""
    with override_settings(RATELIMIT_ENABLE=False, AXES_ENABLED=False):
        yield


class Browser(Client):
    """Django's test client at an address that Spotify accepts, with CSRF checks as in real life."""

    def __init__(self, **defaults: Any) -> None:
        super().__init__(enforce_csrf_checks=True, HTTP_HOST="127.0.0.1:8000", **defaults)

    def press(self, path: str, *, on: str = "/login", **data: str) -> Any:
        """Posts a form that stands on another page, with that page's CSRF token."""
        self.get(on)
        return self.post(path, {"csrfmiddlewaretoken": self.cookies["csrftoken"].value, **data})

    def start_sign_in(self) -> str:
        """Presses the button; returns the address at Spotify that it leads to."""
        response = self.press("/accounts/spotify/login/")
        assert response.status_code == 302, response.content
        return str(response["Location"])

    def come_back(self, address: str) -> Any:
        """Follows Spotify's redirect to our callback."""
        answer = requests.get(address, allow_redirects=False, timeout=10)
        parts = urlsplit(answer.headers["Location"])
        return self.get(f"{parts.path}?{parts.query}")

    def enter(self, listener: Listener) -> None:
        """Is signed in as this listener, without the visit to Spotify."""
        self.force_login(listener.account.user, project.AUTHENTICATION_BACKENDS[-1])

    def sign_in(self) -> Any:
        return self.come_back(self.start_sign_in())


@pytest.fixture
def visitor() -> Browser:
    return Browser()


@pytest.fixture
def host(db: None, simulator: Simulator) -> Browser:
    """A browser in which the host is signed in, with one refresh done. tests/signin signs in for real."""
    browser = Browser()
    browser.enter(factories.host(simulator))
    return browser


@pytest.fixture
def listener(host: Browser) -> Listener:
    return Listener.objects.get()


def database_url() -> str:
    """The tests' database as another process would name it."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


def environment(**changes: str) -> dict[str, str]:
    """The environment of a process that works on the tests' database and the simulator."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHON_DOTENV_DISABLED": "1",
        "SECRET_KEY": project.SECRET_KEY,
        "DATABASE_URL": database_url(),
        "SPOTIFY_CALLS_PER_30_SECONDS": "100000",
        "CARDS": "off",
        "SPOTIPY_CLIENT_ID": project.SPOTIPY_CLIENT_ID,
        "SPOTIPY_CLIENT_SECRET": project.SPOTIPY_CLIENT_SECRET,
        "SPOTIFY_ACCOUNTS_URL": project.SPOTIFY_ACCOUNTS_URL,
        "SPOTIFY_API_URL": project.SPOTIFY_API_URL,
        **changes,
    }


Manage = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def manage(transactional_db: None) -> Manage:
    """Runs manage.py as cron would: another process, no terminal. What it stores is deleted after the test."""

    def run(*arguments: str, **changes: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=environment(**changes),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


class Server:
    """`python gunicorn.conf.py` on a free port, with its output in files."""

    command: list[str] = [sys.executable, "gunicorn.conf.py"]

    def __init__(self, folder: Path, **changes: str) -> None:
        self.port = free_port()
        self.site = f"http://127.0.0.1:{self.port}"
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=environment(PORT=str(self.port), WEB_CONCURRENCY="2", **changes),
                stdout=log,
                stderr=log,
            )

    def wait_until_up(self) -> None:
        def is_up() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            if not serves(self.port, sockets=2):
                return False
            try:
                # A worker that is just being forked does not hear signals yet. The kernel deals new connections out
                # at random: so many reach both workers.
                for _ in range(20):
                    with closing(HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
                        connection.request("GET", "/live")
                        connection.getresponse()
            except (OSError, HTTPException):
                return False
            return True

        wait_until(is_up, seconds=60)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(25)


@pytest.fixture
def server(host: Browser, tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.wait_until_up()
    yield server
    server.process.kill()
    server.process.wait()
