"""What slow, large and many requests do to the server: nothing that another visitor would notice."""

import http.client
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.test import Client, RequestFactory

from bench.service import free_port
from bench.slow_clients import FORM, HEAD, KINDS, slow_clients, visits
from simulator import Fault, Simulator
from spotify_top import worker
from spotify_top.postgres.base import MOST_CONNECTIONS
from tests.conftest import ROOT, Browser, Server, database_url
from tests.helpers import wait_for_call
from tracks.models import Snapshot
from tracks.ops.bodies import MOST_BYTES

pytestmark = pytest.mark.django_db(transaction=True)

TOP = "/v1/me/top/tracks"
TOKEN = "a-token-for-machines"
ON_POSTGRESQL = pytest.mark.skipif(connection.vendor != "postgresql", reason="is about PostgreSQL")


@contextmanager
def running(server: Server) -> Iterator[Server]:
    try:
        server.wait_until_up()
        yield server
    finally:
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="module")
def _standing(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with django_db_blocker.unblock():
        server = Server(tmp_path_factory.mktemp("standing"))
    with running(server):
        yield server


@pytest.fixture
def standing(_standing: Server, host: Browser) -> Server:
    """One server for all tests that leave it as it was and look at no chart."""
    return _standing


def assert_all_are_served(port: int, *, kinds: Iterable[str]) -> None:
    """Visits succeed, within 5 s each, while 40 and then 400 clients of each kind keep the server waiting."""
    for kind in kinds:
        for count in (40, 400):
            with slow_clients(port, count, kind):
                failed, _ = visits(f"http://127.0.0.1:{port}/", count=10)
            assert not failed, f"{failed} of 10 visits failed beside {count} of {kind!r}"


class TestSlowClients:
    def test_keep_nobody_from_the_page(self, standing: Server) -> None:
        assert_all_are_served(standing.port, kinds=KINDS)

    def test_who_waits_makes_room_when_places_get_scarce(self, standing: Server) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 4096:
            pytest.skip("too few open files are allowed here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
        # More than both workers have places for.
        with slow_clients(standing.port, 2400, "silent"):
            assert visits(f"{standing.site}/", count=10)[0] == 0

    def test_have_ten_seconds_for_a_request(self) -> None:
        assert worker.READ_SECONDS == 10

    def test_are_hung_up_on(self, host: Browser, tmp_path: Path) -> None:
        conf = tmp_path / "impatient.py"
        conf.write_text(
            f"exec(open({str(ROOT / 'gunicorn.conf.py')!r}).read().replace('__file__', repr({str(ROOT / 'x')!r})))\n"
            "from spotify_top import worker\n"
            "worker.READ_SECONDS = worker.SEND_SECONDS = keepalive = 2\n"
        )

        class Impatient(Server):
            command = [sys.executable, "-m", "gunicorn", "-c", str(conf), "spotify_top.wsgi"]

        drips = {
            "header, a byte at a time": HEAD.format("GET /") + "X-Slow: " + "a" * 90,
            "body, a byte at a time": HEAD.format("POST /refresh") + "Content-Length: 99\r\n\r\n" + "a" * 90,
        }

        def connect(port: int) -> socket.socket:
            client = socket.create_connection(("127.0.0.1", port), timeout=20)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            return client

        def until_closed(client: socket.socket) -> float:
            started = time.monotonic()
            try:
                while client.recv(65536):
                    pass
            except ConnectionError:
                pass
            return time.monotonic() - started

        def held(port: int, kind: str) -> float:
            """Seconds until the server ends a connection on which no more comes."""
            with connect(port) as client:
                client.sendall(KINDS[kind].encode())
                return until_closed(client)

        def taken_late(port: int) -> int:
            """Of 600 answers that nobody reads for five seconds: how many come afterwards."""
            said = b""
            with connect(port) as client:
                client.sendall(KINDS["an answer unread"].encode() * 10)
                time.sleep(5)
                try:
                    while part := client.recv(65536):
                        said += part
                except ConnectionError:
                    pass
            return said.count(b"HTTP/1.1 200 OK")

        def dripped(port: int, text: str) -> float:
            started = time.monotonic()
            with connect(port) as client:
                head, last = text[:-90].encode(), text[-90:].encode()
                client.sendall(head)
                try:
                    for byte in last:
                        client.sendall(bytes([byte]))
                        time.sleep(0.2)
                except ConnectionError:
                    pass
            return time.monotonic() - started

        with running(Impatient(tmp_path)) as server, ThreadPoolExecutor(20) as pool:
            tasks = {kind: pool.submit(held, server.port, kind) for kind in KINDS if kind != "an answer unread"}
            tasks |= {name: pool.submit(dripped, server.port, text) for name, text in drips.items()}
            late = pool.submit(taken_late, server.port)
            seconds = {name: task.result() for name, task in tasks.items()}
        assert all(1 < taken < 4 for taken in seconds.values()), seconds
        assert 0 < late.result() < 400


def slow_clients_behind(proxy: Callable[[int, int, Path], Any], server: Server, folder: Path) -> None:
    port = free_port()
    with proxy(port, server.port, folder):
        deadline = time.monotonic() + 10
        while visits(f"http://127.0.0.1:{port}/", count=1)[0]:
            assert time.monotonic() < deadline
        assert_all_are_served(port, kinds=[kind for kind in KINDS if kind != "an answer unread"])
        large = requests.post(f"http://127.0.0.1:{port}/refresh", data=b"x" * (MOST_BYTES + 1), timeout=10)
        assert large.status_code == 413
        form = requests.post(f"http://127.0.0.1:{port}/refresh", data=b"x" * MOST_BYTES, timeout=10)
        # To the sign-in: it has come to the site.
        assert form.history[0].status_code == 302


@contextmanager
def program(*command: str, **options: Any) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


class TestBehindAProxy:
    """The files of deploy/, with this machine's addresses in the place of the names."""

    @pytest.mark.skipif(not shutil.which("caddy"), reason="caddy is not here")
    def test_caddy(self, standing: Server, tmp_path: Path) -> None:
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        shown = subprocess.run(
            ["caddy", "validate", "--adapter", "caddyfile", "--config", str(ROOT / "deploy/caddy/Caddyfile")],
            env=env, capture_output=True, text=True,
        )  # fmt: skip
        assert shown.returncode == 0, shown.stderr

        def caddy(port: int, site: int, folder: Path) -> Any:
            text = (ROOT / "deploy/caddy/Caddyfile").read_text().replace("127.0.0.1:8000", f"127.0.0.1:{site}")
            text = text.replace("top.example.com", f"http://127.0.0.1:{port}").replace("{\n", "{\n\tadmin off\n", 1)
            (folder / "Caddyfile").write_text(text)
            return program("caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile"), env=env)

        slow_clients_behind(caddy, standing, tmp_path)

    @pytest.mark.skipif(not shutil.which("nginx", path="/usr/sbin:/usr/bin"), reason="nginx is not here")
    def test_nginx(self, standing: Server, tmp_path: Path) -> None:
        binary = str(shutil.which("nginx", path="/usr/sbin:/usr/bin"))

        def nginx(port: int, site: int, folder: Path) -> Any:
            text = (ROOT / "deploy/nginx/top-twenty.conf").read_text().replace("127.0.0.1:8000", f"127.0.0.1:{site}")
            text = text.replace("listen 80;", f"listen 127.0.0.1:{port};").replace("listen [::]:80;", "")
            paths = "".join(
                f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            (folder / "nginx.conf").write_text(
                f"daemon off; pid {folder}/pid; worker_processes 1; {'user root;' if os.getuid() == 0 else ''}"
                f"events {{ worker_connections 1024; }} http {{ access_log off; {paths}\n{text} }}"
            )
            arguments = [binary, "-p", str(folder), "-e", f"{folder}/errors", "-c", f"{folder}/nginx.conf"]
            shown = subprocess.run([*arguments, "-t"], capture_output=True, text=True)
            assert shown.returncode == 0, shown.stderr
            return program(*arguments)

        slow_clients_behind(nginx, standing, tmp_path)


def exchange(port: int, text: bytes) -> bytes:
    """All that the server says to this, until it hangs up or nothing more comes for a second."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
        client.sendall(text)
        try:
            while part := client.recv(65536):
                said += part
        except TimeoutError:
            pass
    return said


class TestLargeBodies:
    def test_are_refused_before_they_are_read(self, standing: Server) -> None:
        head = (HEAD.format("POST /refresh") + f"{FORM}Content-Length: {MOST_BYTES + 1}\r\n").encode()
        assert exchange(standing.port, head + b"\r\n").startswith(b"HTTP/1.1 413 ")
        assert exchange(standing.port, head + b"Expect: 100-continue\r\n\r\n").startswith(b"HTTP/1.1 413 ")

    def test_are_refused_also_without_a_length(self, standing: Server) -> None:
        head = (HEAD.format("POST /refresh") + f"{FORM}Transfer-Encoding: chunked\r\n\r\n").encode()
        chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
        assert exchange(standing.port, head + chunk * 17).startswith(b"HTTP/1.1 413 ")
        assert b" 302 " in exchange(standing.port, head + chunk * 16 + b"0\r\n\r\n")[:20]

    def test_up_to_the_limit_a_body_is_taken(self, standing: Server) -> None:
        head = HEAD.format("POST /refresh") + f"{FORM}Content-Length: {MOST_BYTES}\r\n"
        said = exchange(standing.port, (head + "Expect: 100-continue\r\n\r\n" + "x" * MOST_BYTES).encode())
        assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 ")

    def test_a_form_arrives_in_chunks_too(self, standing: Server) -> None:
        with requests.Session() as browser:
            browser.get(f"{standing.site}/login", timeout=10)
            form = f"csrfmiddlewaretoken={browser.cookies['csrftoken']}".encode()
            answer = browser.post(
                f"{standing.site}/accounts/spotify/login/", data=iter([form[:9], form[9:]]), allow_redirects=False,
                headers={"Content-Type": "application/x-www-form-urlencoded"}, timeout=10,
            )  # fmt: skip
        assert answer.status_code == 302 and "/authorize" in answer.headers["Location"]

    def test_an_upload_leaves_nothing_on_the_disk(self, host: Browser, tmp_path: Path) -> None:
        temporary = tmp_path / "tmp"
        temporary.mkdir()
        with running(Server(tmp_path, TMPDIR=str(temporary))) as server:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            connection.putrequest("POST", "/")
            connection.putheader("Cookie", f"csrftoken={'a' * 32}")
            connection.putheader("Content-Type", "multipart/form-data; boundary=b")
            connection.putheader("Content-Length", str(400 * 2**20))
            connection.endheaders(b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n')
            most = 0
            try:
                for _ in range(400):
                    connection.send(b"x" * 2**20)
                    most = max(most, sum(path.stat().st_size for path in temporary.rglob("*")))
            except OSError:
                pass
            connection.close()
        assert most == 0

    def test_other_servers_hand_them_over_and_get_the_same_answer(self, visitor: Browser) -> None:
        def post(path: str, size: int, accept: str) -> Any:
            return visitor.post(path, b"x" * size, content_type="text/plain", headers={"Accept": accept})

        page = post("/refresh", MOST_BYTES + 1, "text/html,*/*")
        assert page.status_code == 413 and "larger than any address here takes" in page.text and "<h1>" in page.text
        answer = post("/", MOST_BYTES + 1, "*/*")
        assert answer.status_code == 413 and "64 KiB" in answer.json()["error"]
        assert post("/refresh", MOST_BYTES, "*/*").status_code == 302

    def test_a_file_in_a_form_is_dropped(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        file = SimpleUploadedFile("a.bin", b"x" * 3_000_000)
        request = RequestFactory().post("/", {"name": "kept", "file": file})
        assert request.POST["name"] == "kept" and not request.FILES
        assert list(tmp_path.iterdir()) == []


def many(address: str, count: int) -> list[int]:
    """The statuses of so many requests at once."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: requests.get(address, timeout=30).status_code, range(count)))


@ON_POSTGRESQL
class TestConnectionsToTheDatabase:
    @pytest.fixture
    def most(self) -> Iterator[Callable[[], int]]:
        """The most connections that others had to the tests' database since the test began."""
        done, counts = threading.Event(), [0]

        def watch() -> None:
            with psycopg.connect(database_url(), autocommit=True) as watcher:
                sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                own: int = watcher.execute(sql).fetchone()[0]  # type: ignore[index]
                while not done.wait(0.02):
                    counts.append(watcher.execute(sql).fetchone()[0] - own)  # type: ignore[index]

        thread = threading.Thread(target=watch)
        thread.start()
        yield lambda: max(counts)
        done.set()
        thread.join()

    def test_are_few_whatever_the_number_of_visitors(self, most: Callable[[], int], server: Server) -> None:
        assert set(many(f"{server.site}/history/", 200)) == {200}
        assert set(many(f"{server.site}/health", 200)) == {200}
        # One that is just being closed is still counted.
        assert 2 <= most() <= 2 * MOST_CONNECTIONS + 2

    def test_a_locked_table_is_an_answer_and_not_a_hang(self, server: Server) -> None:
        with psycopg.connect(database_url()) as other:
            other.execute("LOCK TABLE tracks_snapshot")
            started = time.monotonic()
            # More than there are connections for: those get the answer that there is none.
            assert set(many(f"{server.site}/history/", 60)) == {503}
            assert time.monotonic() - started < 25
        assert set(many(f"{server.site}/history/", 60)) == {200}

    def test_one_that_was_lost_is_replaced(self, server: Server) -> None:
        assert set(many(f"{server.site}/health", 40)) == {200}
        with psycopg.connect(database_url(), autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid()"
            )
        connection.close()
        assert set(many(f"{server.site}/health", 40)) == {200}

    def test_migrations_alone_may_take_their_time(self) -> None:
        def limits() -> list[str]:
            with connection.cursor() as cursor:
                values = []
                for name in ("statement_timeout", "lock_timeout"):
                    cursor.execute(f"SHOW {name}")
                    values.append(cursor.fetchone()[0])
                return values

        connection.close()
        assert limits() == ["10s", "5s"]
        call_command("migrate", verbosity=0)
        assert limits() == ["0", "0"]
        connection.close()


class TestSpotifyUnderThisServer:
    def ask(self, server: Server) -> requests.Response:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return requests.post(f"{server.site}/refresh", headers=headers, timeout=30)

    @pytest.fixture
    def server(self, host: Browser, tmp_path: Path) -> Iterator[Server]:
        # Old enough to be refreshed.
        before = timedelta(minutes=5)
        Snapshot.objects.update(first_seen_at=F("first_seen_at") - before, confirmed_at=F("confirmed_at") - before)
        with running(Server(tmp_path, REFRESH_TOKEN=TOKEN)) as server:
            yield server

    def test_an_answer_that_drips_is_cut_and_others_are_served_meanwhile(
        self, server: Server, simulator: Simulator
    ) -> None:
        simulator.fault(TOP, Fault(drip_body=1), times=9)
        with ThreadPoolExecutor(1) as pool:
            started = time.monotonic()
            asked = pool.submit(self.ask, server)
            wait_for_call(simulator)
            failed, longest = visits(f"{server.site}/", count=30)
            assert asked.result().status_code == 503
        assert 9 < time.monotonic() - started < 14
        assert failed == 0 and longest < 3

    def test_a_refresh_at_work_ends_before_the_server_does(self, server: Server, simulator: Simulator) -> None:
        simulator.fault(TOP, Fault(delay=2), times=1)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(self.ask, server)
            wait_for_call(simulator)
            server.process.send_signal(signal.SIGTERM)
            assert asked.result().status_code == 200
        assert server.process.wait(20) == 0


def test_a_stop_does_not_wait_for_those_who_ask_nothing(server: Server) -> None:
    with slow_clients(server.port, 20, "silent"), slow_clients(server.port, 20, "idle after an answer"):
        time.sleep(0.5)
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 5


def test_the_folder_of_an_operator_for_figures_stays(host: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "own.txt").write_text("mine")
    with running(Server(tmp_path, METRICS_TOKEN=TOKEN, PROMETHEUS_MULTIPROC_DIR=str(folder))) as server:
        assert server.stop() == 0
    assert (folder / "own.txt").read_text() == "mine"


class TestLive:
    def test_is_asked_by_platforms_and_asks_nobody(self, django_assert_num_queries: Any, host: Browser) -> None:
        with django_assert_num_queries(0):
            response = host.get("/live")
        assert (response.status_code, response.json()) == (200, {"status": "ok"})
        assert "no-store" in response["Cache-Control"] and not response.cookies

    def test_serves_without_a_database_and_over_plain_http(self, db: None, tmp_path: Path) -> None:
        away = "postgres://nobody@127.0.0.1:1/nothing"
        with running(Server(tmp_path, DATABASE_URL=away, BEHIND_PROXY="on")) as server:
            assert requests.get(f"{server.site}/live", timeout=5, allow_redirects=False).status_code == 200
            assert requests.get(f"{server.site}/health", timeout=5, allow_redirects=False).status_code == 503

    def test_only_reads(self) -> None:
        assert Client(HTTP_HOST="127.0.0.1").post("/live").status_code == 405
