"""What an operator would try on a bad day: the old table stays, the run says why, and no token is lost."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from allauth.socialaccount.models import SocialToken
from django.db import OperationalError, connection, connections, transaction

from simulator import Fault, Simulator
from tests.conftest import ROOT, Browser, Manage, environment
from tests.factories import expire, item
from tests.helpers import TOKEN, TOP, at_once, names, run, tables, wait_for_call, wait_until
from tracks.etl.service import refresh
from tracks.models import Listener, RefreshRun
from tracks.spotify.tokens import decrypt

pytestmark = pytest.mark.django_db

FAULTS = [
    (TOP, Fault.not_registered(), 1, "User Management"),
    (TOP, Fault.json(403, {"error": {"status": 403, "message": "User not registered"}}), 1, "User Management"),
    (TOP, Fault.json(403, {"error": {"status": 403, "message": "Insufficient client scope"}}), 77, "permission"),
    (TOP, Fault.json(400, {"error": {"status": 400, "message": "Bad request"}}), 1, "status 400"),
    (TOP, Fault.json(500, {"error": {"status": 500}}), 75, "status 500"),
    (TOP, Fault.json(502, {}), 75, "status 502"),
    (TOP, Fault.json(503, []), 75, "status 503"),
    (TOP, Fault.html(200), 75, "cannot be read"),
    (TOP, Fault.html(502), 75, "status 502"),
    (TOP, Fault(truncate=True), 75, "could not be reached"),
    (TOP, Fault(reset=True), 75, "could not be reached"),
    (TOP, Fault(drop=True), 75, "could not be reached"),
    (TOP, Fault.json(200, []), 75, "cannot be read"),
    (TOP, Fault.json(200, {}), 75, "without songs"),
    (TOP, Fault.json(200, {"items": None}), 75, "without songs"),
    (TOP, Fault.json(200, {"items": {}}), 75, "without songs"),
    (TOP, Fault(status=200, body=b"[" * 100_000), 75, "cannot be read"),
    (TOP, Fault(size=50_000_000), 75, "too large"),
    (TOP, Fault(size=6_000_000, gzip=True), 75, "too large"),
    (TOP, Fault(status=302, headers={"Location": "http://127.0.0.1:1/"}, body=""), 75, "status 302"),
    (TOKEN, Fault.json(400, {"error": "invalid_client"}), 1, "SPOTIPY_CLIENT_ID"),
    (TOKEN, Fault.json(401, {"error": "invalid_client"}), 1, "SPOTIPY_CLIENT_ID"),
    (TOKEN, Fault.json(401, []), 1, "SPOTIPY_CLIENT_ID"),
    (TOKEN, Fault.json(400, {"error": "invalid_grant"}), 77, "sign in again"),
    (TOKEN, Fault.json(200, {"access_token": "x", "expires_in": "abc"}), 75, "cannot be read"),
    (TOKEN, Fault.json(200, {"access_token": "with\nnewline"}), 75, "cannot be read"),
    (TOKEN, Fault.json(200, {}), 75, "cannot be read"),
    (TOKEN, Fault(status=400, body="no JSON", content_type="text/plain"), 1, "status 400"),
    (TOKEN, Fault.html(503), 75, "status 503"),
    (TOKEN, Fault(drop=True), 75, "could not be reached"),
    (TOP, Fault(status=404), 1, "status 404"),
    (TOP, Fault(status=405), 1, "status 405"),
    (TOP, Fault(status=408), 75, "could not be reached"),
    (TOP, Fault(status=410), 1, "status 410"),
    (TOP, Fault(status=413), 1, "status 413"),
    (TOP, Fault(status=418), 1, "status 418"),
    (TOP, Fault(status=501), 75, "status 501"),
    (TOP, Fault(status=504), 75, "status 504"),
    (TOP, Fault(status=520), 75, "status 520"),
    (TOP, Fault(status=599), 75, "status 599"),
    (TOP, Fault(status=204, body=""), 75, "cannot be read"),
    (TOP, Fault(status=206, body='{"items"'), 75, "cannot be read"),
    (TOP, Fault(status=200, body=""), 75, "cannot be read"),
    (TOP, Fault(status=200, body="null"), 75, "cannot be read"),
    (TOP, Fault(status=200, body='"items"'), 75, "cannot be read"),
    (TOP, Fault(status=200, body="1e999"), 75, "cannot be read"),
    (TOP, Fault(status=200, body=b"\xff\xfe{}"), 75, "cannot be read"),
    (TOP, Fault(status=200, body='{"items": "none"}'), 75, "without songs"),
    (TOP, Fault(status=200, body='{"items": ' + "[" * 50_000), 75, "cannot be read"),
    (TOP, Fault(status=401), 75, "access token"),
    (TOP, Fault(status=403, body="<html>blocked</html>", content_type="text/html"), 1, "User Management"),
    (TOP, Fault(endless=True), 75, "too large"),
    (TOP, Fault.rate_limited(30), 75, "wait until"),
    (TOP, Fault.rate_limited(None), 75, "wait until"),
    (TOP, Fault.rate_limited("soon", quota=True), 75, "wait until"),
    (TOKEN, Fault.json(400, {"error": "invalid_request"}), 1, "status 400"),
    (TOKEN, Fault.json(400, {"error": "unauthorized_client"}), 1, "SPOTIPY_CLIENT_ID"),
    (TOKEN, Fault.json(403, {"error": "access_denied"}), 1, "User Management"),
    (TOKEN, Fault.rate_limited(30), 75, "wait until"),
    (TOKEN, Fault(status=500), 75, "status 500"),
    (TOKEN, Fault(truncate=True), 75, "could not be reached"),
    (TOKEN, Fault(reset=True), 75, "could not be reached"),
    (TOKEN, Fault(size=50_000_000), 75, "too large"),
    (TOKEN, Fault.json(200, []), 75, "cannot be read"),
    (TOKEN, Fault.json(200, {"access_token": "", "expires_in": 3600}), 75, "cannot be read"),
    (TOKEN, Fault.json(200, {"access_token": ["x"], "expires_in": 3600}), 75, "cannot be read"),
    (TOKEN, Fault.json(200, {"access_token": "x", "expires_in": -1}), 75, "cannot be read"),
    (TOKEN, Fault(drop=True, after=True), 75, "could not be reached"),
]


def check_the_run_and_the_token(simulator: Simulator, code: int) -> None:
    """The run is closed with a cause, the lease is free, and the token is lost only where Spotify killed it."""
    latest = RefreshRun.objects.latest("pk")
    assert latest.finished_at and latest.error_code and latest.outcome not in ("running", "refreshed", "unchanged")
    assert latest.get_outcome_display() != latest.outcome or latest.outcome == "failed"
    assert Listener.objects.get().lease_until is None
    if code != 77:
        assert decrypt(SocialToken.objects.get().token_secret)


def name_of(value: Any) -> str:
    if not isinstance(value, Fault):
        return str(value).rpartition("/")[2].replace(" ", "-")
    facts = {key: part for key, part in vars(value).items() if part != getattr(Fault(), key)}
    return "-".join(f"{key}={str(part)[:20]}" for key, part in facts.items()).replace(" ", "")


def test_there_are_at_least_40_distinct_faults() -> None:
    assert len({(path, repr(fault)) for path, fault, *_ in FAULTS}) == len(FAULTS) >= 40


@pytest.mark.parametrize(("path", "fault", "expected", "words"), FAULTS, ids=name_of)
def test_a_fault_keeps_the_old_table_and_leaves_a_run_with_a_cause(
    host: Browser, simulator: Simulator, path: str, fault: Fault, expected: int, words: str
) -> None:
    before = names(host)
    simulator.shuffle("host", "short_term")
    expire()
    simulator.fault(path, fault)
    started = time.monotonic()
    code, _, err = run()
    assert time.monotonic() - started < 12
    assert (code, len(err.splitlines())) == (expected, 1)
    assert words in err
    assert names(Browser()) == before
    check_the_run_and_the_token(simulator, code)


@pytest.mark.parametrize(
    "fault", [Fault(drip_headers=0.2), Fault(drip_body=0.2), Fault.hang(30), Fault(delay=30)], ids=name_of
)
@pytest.mark.parametrize("path", [TOP, TOKEN])
def test_what_drips_or_hangs_ends_within_12_seconds(
    host: Browser, simulator: Simulator, path: str, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The bound itself is 10 s; the same code with a smaller one keeps the suite quick.
    monkeypatch.setattr("tracks.etl.service.EXTRACT_SECONDS", 1)
    before = names(host)
    expire()
    simulator.fault(path, fault)
    started = time.monotonic()
    code, _, err = run()
    assert code == 75 and "took too long" in err and time.monotonic() - started < 12
    assert names(Browser()) == before
    check_the_run_and_the_token(simulator, code)


@pytest.mark.django_db(transaction=True)
def test_the_bound_is_real_for_a_process(host: Browser, simulator: Simulator, manage: Manage) -> None:
    simulator.fault(TOP, Fault(drip_body=0.5))
    started = time.monotonic()
    assert manage("refresh_top_tracks", "--force").returncode == 75
    assert 9 < time.monotonic() - started < 20  # with the start of the process


WRONG: list[Any] = [
    None,
    7,
    -1,
    1.5,
    True,
    "x",
    "",
    [],
    {},
    [[]],
    [None],
    {"a": 1},
    "\u0000",
    "\ud800",
    "x" * 5000,
    10**30,
]
FIELDS = [
    "id",
    "name",
    "artists",
    "album",
    "duration_ms",
    "explicit",
    "popularity",
    "external_urls",
    "type",
    "is_local",
]


@pytest.mark.parametrize("field", FIELDS)
def test_wrong_types_in_a_field_cost_that_item_at_most(host: Browser, simulator: Simulator, field: str) -> None:
    items = [item(number + 2, **{field: value}) for number, value in enumerate(WRONG)]
    simulator.set_top("host", "short_term", [item(1), *items])
    assert run()[0] == 0
    latest = RefreshRun.objects.latest("pk")
    assert latest.loaded + latest.rejected == latest.extracted == len(WRONG) + 1 + 40
    assert "Song 1" in names(Browser())


def test_an_endless_next_is_not_followed(host: Browser, simulator: Simulator) -> None:
    page = {"items": [item(1)], "total": 10**6, "next": f"{simulator.api_url}/me/top/tracks?offset=1"}
    simulator.fault(TOP, Fault.json(200, page))
    assert run()[0] == 0
    assert len(simulator.calls) == 3 and names(Browser()) == ["Song 1"]


def test_a_full_disk_costs_the_staged_files_alone(
    host: Browser, simulator: Simulator, settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    settings.STAGING_DIR = tmp_path
    simulator.shuffle("host", "short_term")
    monkeypatch.setattr("os.replace", full)
    code, out, err = run()
    assert code == 0 and "2 new" in out and "No space left" in err
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


# The database goes away, and processes are killed


postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="about PostgreSQL's connections")


def cut_connections(which: str = "true") -> None:
    """What a restart of PostgreSQL does to those who are connected."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = current_database() AND pid <> pg_backend_pid() AND {which}"
        )


@postgresql
@pytest.mark.django_db(transaction=True)
def test_a_database_restarted_during_the_extract(host: Browser, simulator: Simulator) -> None:
    before = tables()
    simulator.shuffle("host", "short_term")
    simulator.fault(TOP, Fault(delay=9), times=1)
    listener = Listener.objects.get()

    def cut() -> None:
        wait_for_call(simulator)
        cut_connections()
        simulator.release()

    result, _ = at_once(partial(refresh, listener=listener, trigger="cron", force=True), cut)
    connection.close()  # the test's own was cut too
    assert isinstance(result, OperationalError), result
    assert tables() == before
    latest = RefreshRun.objects.latest("pk")
    assert (latest.outcome, latest.error_code) == ("failed", "database")
    assert Listener.objects.get().lease_until is None
    assert refresh(listener=listener, trigger="cron", force=True).ok


def hold_up_the_load() -> Callable[[], None]:
    """Locks the tracks, so that a load has to wait; returns what lets go."""
    locked, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE tracks_placement IN ACCESS EXCLUSIVE MODE")
            locked.set()
            release.wait(30)
        connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    assert locked.wait(10)

    def let_go() -> None:
        release.set()
        thread.join(10)

    return let_go


def wait_for_the_load() -> None:
    def is_waiting() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            return bool(cursor.fetchone()[0])

    wait_until(is_waiting, seconds=30)


@postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("end", ["SIGTERM", "SIGKILL", "restart"])
def test_the_load_is_interrupted(host: Browser, simulator: Simulator, manage: Manage, end: str) -> None:
    before = tables()
    simulator.shuffle("host", "short_term")
    let_go = hold_up_the_load()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "refresh_top_tracks", "--force"],
        cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait_for_the_load()
        if end == "restart":
            cut_connections("wait_event_type = 'Lock'")
        else:
            process.send_signal(signal.Signals[end])
            process.wait(20)
    finally:
        let_go()
    _, err = process.communicate(timeout=20)
    assert process.returncode == {"SIGTERM": 75, "SIGKILL": -9, "restart": 75}[end], err
    assert "Traceback" not in err
    wait_until(lambda: tables() == before)
    Listener.objects.update(lease_until=None)
    result = manage("refresh_top_tracks", "--force")
    assert result.returncode == 0 and "2 new" in result.stdout
