"""Two at once, killed midway, and crashes at every step: one does the work, and the old table stays whole."""

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import requests
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from simulator import Fault, Simulator
from tests import factories
from tests.conftest import ROOT, Browser, Manage, environment
from tests.helpers import TOP, at_once, several_writers, tables, wait_for_call
from tracks.etl import lease
from tracks.etl.load import load
from tracks.etl.results import RefreshResult
from tracks.etl.service import refresh
from tracks.etl.transform import transform
from tracks.models import Artist, Listener, RefreshRun, Snapshot, TimeRange, Track
from tracks.signin.adapter import SocialAccountAdapter

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def start(host: Browser) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """Starts the command in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def run() -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "manage.py", "refresh_top_tracks", "--force"],
            cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


# Two at once


@several_writers
def test_many_who_come_with_the_same_new_songs_never_wait_for_each_other_in_a_circle() -> None:
    """As on the first day of a site: nearly every song and artist is new, and in several charts at once."""
    accounts = [factories.account(f"listener-{n}") for n in range(8)]
    listeners = [Listener.objects.create(account=each, authorized_at=timezone.now()) for each in accounts]

    def charts(listener: Listener, chance: random.Random) -> None:
        for _ in range(6):
            numbers = chance.sample(range(300), 20)
            songs = [factories.item(n, artists=[{"id": f"{n % 40:021d}A", "name": "Someone"}]) for n in numbers]
            with transaction.atomic():
                load(listener=listener, tables={"short_term": transform(songs)}, now=timezone.now())

    results = at_once(*(partial(charts, listener, random.Random(n)) for n, listener in enumerate(listeners)))
    assert results == [None] * 8
    assert Snapshot.objects.count() == 48 and Artist.objects.count() == 40


@several_writers
def test_an_artists_new_name_does_not_wait_for_a_song_that_another_load_holds() -> None:
    """That song is by somebody else from then on: the load that holds it folds it."""
    accounts = [factories.account(name) for name in ("ann", "bob")]
    ann, bob = (Listener.objects.create(account=each, authorized_at=timezone.now()) for each in accounts)
    is_held, is_renamed = threading.Event(), threading.Event()

    def hear(listener: Listener, number: int, *, artist: int, name: str) -> None:
        song = factories.item(number, artists=[{"id": f"{artist:021d}A", "name": name}])
        load(listener=listener, tables={"short_term": transform([song])}, now=timezone.now())

    def hold() -> bool:
        with transaction.atomic():
            hear(bob, 2, artist=2, name="Other")
            is_held.set()
            return is_renamed.wait(10)

    def rename() -> None:
        assert is_held.wait(10)
        with transaction.atomic():
            hear(ann, 1, artist=1, name="Renamed")
        is_renamed.set()

    with transaction.atomic():
        hear(ann, 1, artist=1, name="Someone")
        hear(bob, 2, artist=1, name="Someone")
    assert at_once(hold, rename) == [True, None]
    assert dict(Track.objects.values_list("name", "folded")) == {
        "Song 1": " song 1 \n album \n renamed ", "Song 2": " song 2 \n album \n other ",
    }  # fmt: skip


def test_of_two_refreshes_at_once_one_works_and_the_other_says_so(listener: Listener, simulator: Simulator) -> None:
    simulator.shuffle("host", "short_term")
    simulator.fault(TOP, Fault(delay=9), times=1)
    turned_away = []

    def attempt() -> RefreshResult:
        result = refresh(listener=listener, trigger="cron", force=True)
        if result.outcome == "busy":
            turned_away.append(result)
        if len(turned_away) == 2:
            wait_for_call(simulator)
            simulator.release()
        return result

    results = at_once(*[attempt] * 3)
    assert sorted(result.outcome for result in results) == ["busy", "busy", "refreshed"]
    assert all(result.ok for result in results)
    assert len(simulator.calls) == 3
    assert RefreshRun.objects.count() == 2  # the sign-in's and one
    assert Snapshot.objects.filter(time_range="short_term").count() == 2


def test_two_cron_runs_and_a_button_press_all_end_well(
    host: Browser, simulator: Simulator, start: Callable[[], Any]
) -> None:
    simulator.shuffle("host", "short_term")
    simulator.fault(TOP, Fault(delay=9), times=1)
    first = start()
    wait_for_call(simulator)
    second = start()
    host.press("/refresh", on="/")
    assert "Another refresh is at work" in host.get("/").content.decode()
    out, err = second.communicate(timeout=20)
    assert (second.returncode, err) == (0, "") and "Another refresh is at work" in out
    simulator.release()
    out, err = first.communicate(timeout=20)
    assert (first.returncode, err) == (0, "") and out.count(" extracted, ") == 3
    assert len(simulator.calls) == 3


def test_of_two_first_sign_ins_at_once_exactly_one_claims_the_site(
    db: None, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_found_no_host = threading.Barrier(2, timeout=10)
    save_user = SocialAccountAdapter.save_user

    def save_together(*args: Any, **kwargs: Any) -> User:
        both_found_no_host.wait()
        return save_user(*args, **kwargs)

    monkeypatch.setattr(SocialAccountAdapter, "save_user", save_together)
    callbacks = []
    for account in ("host", "stranger"):
        simulator.current = account
        browser = Browser()
        consent = requests.get(browser.start_sign_in(), allow_redirects=False, timeout=10)
        callbacks.append(partial(browser.get, consent.headers["Location"]))
    results = at_once(*callbacks)
    assert sorted(response.status_code for response in results) == [302, 403]
    assert Listener.objects.count() == SocialAccount.objects.count() == SocialToken.objects.count() == 1
    assert User.objects.count() == 1
    assert Listener.objects.get().is_host


# Killed and crashed


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_killed_midway_leaves_the_old_table_and_the_next_run_takes_over(
    host: Browser, simulator: Simulator, start: Callable[[], Any], manage: Manage, end: signal.Signals
) -> None:
    before = tables()
    simulator.shuffle("host", "short_term")
    simulator.fault(TOP, Fault(delay=8), times=1)
    process = start()
    wait_for_call(simulator)
    process.send_signal(end)
    _, err = process.communicate(timeout=20)
    assert process.returncode == (75 if end == signal.SIGTERM else -9) and "Traceback" not in err
    assert tables() == before
    if end == signal.SIGKILL:
        assert "Another refresh is at work" in manage("refresh_top_tracks", "--force").stdout
        until = Listener.objects.get().lease_until
        assert until is not None and timezone.now() < until <= timezone.now() + timedelta(seconds=60)
        Listener.objects.update(lease_until=timezone.now())  # a minute later
    result = manage("refresh_top_tracks", "--force")
    assert result.returncode == 0 and "2 new" in result.stdout
    assert list(RefreshRun.objects.order_by("pk").values_list("outcome", flat=True)) == [
        "refreshed", "abandoned", "refreshed",
    ]  # fmt: skip


def test_a_crash_at_any_statement_leaves_the_old_table_whole(listener: Listener, simulator: Simulator) -> None:
    simulator.shuffle("host", "short_term")
    before, confirmed = tables(), list(Snapshot.objects.order_by("pk").values_list("confirmed_at", flat=True))

    class Crash(Exception):
        pass

    survived = 0
    for crash_at in range(1, 40):
        seen = 0

        def crash(execute: Any, sql: str, params: Any, many: bool, context: Any, at: int = crash_at) -> Any:
            nonlocal seen
            seen += 1
            if seen == at:
                raise Crash
            return execute(sql, params, many, context)

        with connection.execute_wrapper(crash):
            try:
                result = refresh(listener=Listener.objects.get(), trigger="cron", force=True)
            except Crash:
                result = None
        if result is not None and result.ok:
            break
        survived += 1
        assert tables() == before, f"statement {crash_at}"
        assert list(Snapshot.objects.order_by("pk").values_list("confirmed_at", flat=True)) == confirmed
        Listener.objects.update(lease_until=None)
    assert survived > 10
    assert tables() != before


def test_a_refresh_whose_lease_ran_out_loads_nothing(listener: Listener, simulator: Simulator) -> None:
    before = tables()
    simulator.shuffle("host", "short_term")
    simulator.fault(TOP, Fault(delay=9), times=1)

    def steal() -> None:
        wait_for_call(simulator)
        Listener.objects.update(lease_until=timezone.now())
        assert lease.claim(Listener.objects.get(), tuple(TimeRange), force=True)
        simulator.release()

    result, _ = at_once(partial(refresh, listener=listener, trigger="cron", force=True), steal)
    assert result.outcome == "abandoned" and tables() == before
    assert Listener.objects.get().lease_until is not None  # the thief's


def test_a_listener_who_disconnects_during_a_refresh_stays_deleted(
    host: Browser, listener: Listener, simulator: Simulator
) -> None:
    simulator.fault(TOP, Fault(delay=9), times=1)

    def leave() -> Any:
        wait_for_call(simulator)
        response = host.press("/disconnect", on="/disconnect", confirm="yes")
        simulator.release()
        return response

    result, response = at_once(partial(refresh, listener=listener, trigger="cron", force=True), leave)
    assert response.status_code == 302
    assert not result.ok
    assert Listener.objects.count() == Snapshot.objects.count() == SocialToken.objects.count() == 0


def test_readers_see_the_old_table_while_a_refresh_is_at_work(
    host: Browser, listener: Listener, simulator: Simulator
) -> None:
    before = host.get("/tracks.json").json()
    simulator.shuffle("host", "short_term")
    simulator.fault(TOP, Fault(delay=9), times=1)

    def look() -> Any:
        wait_for_call(simulator)
        seen = Browser().get("/tracks.json").json()
        simulator.release()
        return seen

    result, seen = at_once(partial(refresh, listener=listener, trigger="cron", force=True), look)
    assert result.ok and seen == before
    assert Browser().get("/tracks.json").json() != before


def test_a_database_lost_during_the_load_is_reported_and_rolled_back(
    listener: Listener, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tables()

    def lose(**kwargs: Any) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr("tracks.etl.service.load", lose)
    with pytest.raises(OperationalError):
        refresh(listener=listener, trigger="cron", force=True)
    assert tables() == before
    run = RefreshRun.objects.latest("pk")
    assert (run.outcome, run.error_code) == ("failed", "database")
    assert Listener.objects.get().lease_until is None
