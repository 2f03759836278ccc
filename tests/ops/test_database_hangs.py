"""The database does not answer: a lock that somebody holds, or a network that swallows what is sent."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import psycopg
import pytest
import requests
from django.db import connection

from simulator import Simulator
from tests.conftest import Browser, Server, database_url
from tracks.etl.service import refresh
from tracks.models import Listener

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="it is about PostgreSQL"),
]

PAGES = ["/", "/tracks.json", "/history/", "/feed.atom"]
# A visitor waits half a second for the database; the rest is a busy machine's.
PATIENCE = 1.5


class Network:
    """The way to the tests' database, over TCP. While it is dead, it takes what is sent, and passes nothing on."""

    def __init__(self, database: str) -> None:
        parts = urlsplit(database)
        folder = parse_qs(parts.query).get("host", [unquote(parts.hostname or "")])[0]
        self.socket = f"{folder}/.s.PGSQL.{parts.port or 5432}" if folder.startswith("/") else None
        self.target = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self.alive = threading.Event()
        self.alive.set()
        self.open: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        user = f"{parts.username or 'postgres'}:{parts.password or ''}".rstrip(":")
        self.url = parts._replace(netloc=f"{user}@127.0.0.1:{port}", query="").geturl()
        threading.Thread(target=self._accept, daemon=True).start()

    def hang_up(self) -> None:
        """Connections from before are gone."""
        for one in self.open:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it was gone already
            one.close()

    def close(self) -> None:
        self.listener.close()
        self.hang_up()

    def _accept(self) -> None:
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            self.open.append(near)
            if not self.alive.is_set():
                continue
            if self.socket:
                far = socket.socket(socket.AF_UNIX)
                far.connect(self.socket)
            else:
                far = socket.create_connection(self.target)
            self.open.append(far)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with source:
            try:
                while data := source.recv(65_536):
                    if self.alive.is_set():
                        target.sendall(data)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass


def visit(server: Server, path: str) -> requests.Response:
    """The page, on a new connection: which worker takes it is left to the kernel."""
    started = time.monotonic()
    response = requests.get(server.site + path, timeout=20)
    assert time.monotonic() - started < PATIENCE, path
    return response


def warm(server: Server) -> dict[str, str]:
    """What the pages say; every worker has copies of them afterwards."""
    return {path: [requests.get(server.site + path, timeout=20).text for _ in range(12)][-1] for path in PAGES}


def look_away(server: Server, good: dict[str, str]) -> None:
    """The copies stay, from the first visit that asks the database on, for as long as it does not answer."""
    time.sleep(1.1)
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        for path in PAGES:
            response = visit(server, path)
            assert (response.status_code, response.text) == (200, good[path]), path
        # Several rounds between two questions to the database are enough.
        time.sleep(0.1)


def eventually(holds: Callable[[], bool], *, within: float) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def shows_what_is_new(server: Server, before: str) -> Callable[[], bool]:
    """Whether every worker shows a chart that is newer."""
    return lambda: before not in {requests.get(f"{server.site}/tracks.json", timeout=20).text for _ in range(8)}


def test_a_lock_on_the_listeners_stops_no_copy(server: Server, simulator: Simulator) -> None:
    good = warm(server)
    with psycopg.connect(database_url()) as other:
        other.execute("LOCK TABLE tracks_listener IN ACCESS EXCLUSIVE MODE")
        look_away(server, good)
    simulator.shuffle("host", "short_term")
    assert refresh(listener=Listener.objects.get(), trigger="cron", force=True).ok
    eventually(shows_what_is_new(server, good["/tracks.json"]), within=5)
    assert requests.get(f"{server.site}/health", timeout=5).status_code == 200


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network(database_url())
    yield network
    network.close()


@pytest.mark.parametrize("hangs_up", [True, False], ids=["hangs up", "swallowed what was asked"])
def test_a_dead_network_stops_no_copy(
    host: Browser, network: Network, simulator: Simulator, tmp_path: Path, hangs_up: bool
) -> None:
    server = Server(tmp_path, DATABASE_URL=network.url)
    try:
        server.wait_until_up()
        good = warm(server)
        network.alive.clear()
        look_away(server, good)
        if hangs_up:
            network.hang_up()
        network.alive.set()
        simulator.shuffle("host", "short_term")
        assert refresh(listener=Listener.objects.get(), trigger="cron", force=True).ok
        eventually(shows_what_is_new(server, good["/tracks.json"]), within=25)
        assert requests.get(f"{server.site}/health", timeout=15).status_code == 200
    finally:
        server.process.kill()
        server.process.wait()
